//! Two guests at once: nothing of the one reaches the other.

use std::time::Duration;

use bulkhead_machine::Outcome;
use system_tests::{
    Session, System,
    pairs::{self, SELECT},
    unit_guest,
};

const LIMIT: Duration = Duration::from_secs(240);
const BOOT: Duration = Duration::from_secs(500);
const ANSWER: Duration = Duration::from_secs(60);

fn pair(name: &str, a: &str, b: &str) -> Session {
    System::new("systems/two-unit.system")
        .with_guest("a", |guest| guest.kernel = Some(unit_guest(a)))
        .with_guest("b", |guest| guest.kernel = Some(unit_guest(b)))
        .start(name)
}

#[test]
fn all_state_stays_apart_through_thousands_of_switches() {
    pairs::state_stays_apart(System::new("systems/two-unit.system"), "state-apart");
}

#[test]
fn a_guest_that_dies_is_not_noticed_by_the_other() {
    let mut session = pair("one-dies", "triple", "state");
    assert_eq!(session.expect_stop("a", LIMIT).0, Outcome::TRIPLE_FAULT);
    let (outcome, reason) = session.expect_stop("b", LIMIT);
    assert_eq!(outcome, Outcome::POWER_OFF, "{reason}:\n{}", session.console_text());
}

#[test]
fn two_linux_guests_share_the_console_and_end_one_by_one() {
    let system = System::new("systems/two-guests.system");
    pairs::linux_guests_end_one_by_one(system, "two-linux");
}

#[test]
fn what_is_typed_to_one_guest_is_answered_whatever_the_other_says() {
    const ROUNDS: u32 = 40;
    let mut session = System::new("systems/two-unit.system")
        .with(|guest| {
            guest.kernel = Some(unit_guest("chatter"));
            guest.append = Some("1000000".into());
        })
        .start("chatter");
    session.expect("ready", BOOT);
    session.expect("ready", BOOT);
    let mut answers = Answers::default();
    let mut expected = [String::new(), String::new()];
    let mut random: u32 = 1;
    let mut next = |below: u32| {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (random >> 8) % below
    };
    for _ in 0..ROUNDS {
        let guest = next(2) as usize;
        session.type_text(&format!("{SELECT}{}", guest + 1));
        let length = 1 + next(60);
        // No semicolon among them, which ends an answer.
        for key in ('A'..='z').cycle().take(length as usize) {
            session.type_text(&key.to_string());
            // Some keys come together, some while the line is busy or idle.
            std::thread::sleep(Duration::from_micros(u64::from(next(3) * next(4000))));
        }
        session.type_text("\r");
        expected[guest].push_str(&format!("got {length};"));
        // Sometimes the other one is typed to before this one has answered.
        if next(3) > 0 {
            let what = format!("{expected:?} from a and b");
            session.expect_console(&what, |text| *answers.hear(text) == expected, ANSWER);
        }
    }
    for (number, guest) in ["a", "b"].into_iter().enumerate() {
        session.type_line(&format!("{SELECT}{}q", number + 1));
        assert_eq!(session.expect_stop(guest, ANSWER).0, Outcome::POWER_OFF);
    }
}

/// The answers `got N;` of two guests, wherever the virtualiser broke their
/// lines to let the other one speak.
#[derive(Default)]
struct Answers {
    /// The end of the console that has no line feed yet.
    rest: String,
    /// Of each guest: the end of what it said, which may become an answer.
    said: [String; 2],
    given: [String; 2],
}

impl Answers {
    fn hear(&mut self, console: &[u8]) -> &[String; 2] {
        self.rest.push_str(&String::from_utf8_lossy(console));
        while let Some(end) = self.rest.find('\n') {
            let mut line: String = self.rest.drain(..=end).collect();
            while let Some(at) = line.find('\x1b') {
                let end = line[at..].find('m').map_or(line.len(), |length| at + length + 1);
                line.replace_range(at..end, "");
            }
            for (guest, prefix) in ["a| ", "b| "].into_iter().enumerate() {
                if let Some(text) = line.trim_end().strip_prefix(prefix) {
                    self.said[guest].push_str(text);
                    self.answered(guest);
                }
            }
        }
        &self.given
    }

    fn answered(&mut self, guest: usize) {
        let said = &mut self.said[guest];
        while let Some(end) = said.find(';') {
            let text: String = said.drain(..=end).collect();
            if let Some(at) = text.rfind("got ") {
                self.given[guest].push_str(&text[at..]);
            }
        }
    }
}

//! What the Microkit's monitor and kernel say about faults, as status lines.
//!
//! On the SDK's board no initial task of ours watches the protection domains:
//! the Microkit's monitor does, and its debug configurations print what it sees
//! on the kernel's console, the third serial port. Here its words become the
//! reports that the embedded board's initial task makes, so that whoever shows
//! or counts these need not know the board. Its release configurations print
//! nothing at all.
//!
//! In such a configuration every domain may print there, and so forge a report:
//! what is read here is for people who look for mistakes, nothing rests on it.
//!
//! Formats: `monitor/src/main.c` of the Microkit 2.3, and the kernel's
//! `src/api/faults.c` and `src/arch/x86/kernel/boot_sys.c`.
//!
//! What surprises: the monitor prints the registers before it says what happened,
//! and what a panicking domain printed came before both. So a report is
//! collected, and comes with the line that says what happened. Last words are a
//! domain's whose registers say that it panicked, and nobody else's.

use crate::status::Status;

/// Longest line that is kept; the rest of it is dropped.
const LINE_MAX: usize = 1000;

/// Most lines of a domain's last words that are kept.
const WORDS_MAX: usize = 16;

/// Most registers of a report; the monitor prints twenty.
const REGISTERS_MAX: usize = 32;

/// How its lines begin.
const MONITOR: &str = "MON|ERROR: ";

/// Its first one.
const RUNS: &str = "MON|INFO: Microkit Monitor started";

/// What the kernel and the initialiser print when nothing goes on.
const ENDS: [&str; 4] = [
    // A fault in the thread that handles faults, or in the initialiser.
    "Caught ",
    "Kernel init failed",
    "seL4 failed assertion",
    "seL4 called fail",
];

/// How a domain of ours begins its last words (`lib/sel4-microkit`, and
/// `core::panic::PanicInfo`), and so does the initialiser.
const PANIC: &str = "panicked at ";

/// In rdi after a panic: what `sel4_microkit`'s panics leave there.
const PANIC_MARK: u64 = u64::from_le_bytes(*b"PANICKED");

/// Takes what comes from the kernel's console, gives status lines.
#[derive(Debug, Default)]
pub(crate) struct MonitorReader {
    line: Vec<u8>,
    /// Whether the monitor has said that it runs: who panics before is the
    /// initialiser.
    runs: bool,
    /// What a panicking domain has printed so far.
    words: Vec<String>,
    /// Label of the message that announced a report.
    label: Option<u64>,
    fault: Option<Fault>,
    /// The domain that the last report was about.
    last: Option<String>,
}

/// A report that is not complete.
#[derive(Debug)]
struct Fault {
    pd: String,
    label: Option<u64>,
    registers: Vec<(String, u64)>,
}

impl MonitorReader {
    /// Takes bytes; returns what their lines amount to.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Status> {
        let mut statuses = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    self.take(&plain(&line), &mut statuses);
                }
                _ if self.line.len() < LINE_MAX => self.line.push(byte),
                _ => {}
            }
        }
        statuses
    }

    fn take(&mut self, line: &str, statuses: &mut Vec<Status>) {
        // What somebody has not ended may stand before it on the line.
        if let Some((before, text)) = line.split_once(MONITOR) {
            if !before.is_empty() && self.fault.is_none() {
                self.word(before);
            }
            self.monitor(text, statuses);
        } else if let Some(fault) = &mut self.fault {
            if let Some(register) = register(line)
                && fault.registers.len() < REGISTERS_MAX
            {
                fault.registers.push(register);
            }
        } else if ENDS.iter().any(|end| line.starts_with(end)) {
            statuses.push(Status::Failed(line.to_owned()));
        } else if !self.runs && self.words.len() == 1 {
            // Where it was is on one line, why on the next.
            let place = self.words.remove(0);
            statuses.push(Status::Failed(format!("the Microkit's initialiser {place} {line}")));
        } else {
            self.runs |= line.starts_with(RUNS);
            self.word(line);
        }
    }

    /// A line of somebody else's: it may belong to a domain's last words.
    fn word(&mut self, line: &str) {
        if line.starts_with(PANIC) {
            self.words = vec![line.to_owned()];
        } else if !self.words.is_empty() && self.words.len() < WORDS_MAX {
            self.words.push(line.to_owned());
        }
    }

    /// A line of the monitor's, without its beginning.
    fn monitor(&mut self, text: &str, statuses: &mut Vec<Status>) {
        if let Some(pd) = text.strip_prefix("faulting PD: ") {
            // One that did not end in words that are known here.
            if let Some(fault) = self.fault.take() {
                fault.report("kind=unknown", "", &[], statuses);
            }
            let pd = pd.trim().to_owned();
            self.last = Some(pd.clone());
            self.fault = Some(Fault { pd, label: self.label.take(), registers: Vec::new() });
        } else if let Some(rest) = text.strip_prefix("received message ") {
            // The next line has the name.
            self.label = rest.split(' ').next().and_then(hexadecimal);
        } else if text.starts_with("description of fault") {
            // It says once more what the fault's code says.
        } else if let Some(fault) = self.fault.take() {
            let (kind, what) = fault.kind(text);
            let mine = fault.panicked();
            let words = if mine { std::mem::take(&mut self.words) } else { Vec::new() };
            fault.report(&kind, &what, &words, statuses);
        } else if let Some(pd) = &self.last {
            statuses.push(Status::PdReport { pd: pd.clone(), text: text.to_owned() });
        } else {
            // About no domain that it knows.
            statuses.push(Status::Unknown(format!("the Microkit's monitor: {text}")));
        }
    }
}

impl Fault {
    /// What happened, in the words of the embedded board's reports, from the
    /// monitor's line.
    fn kind(&self, text: &str) -> (String, String) {
        let ip = self.register("rip");
        let field = |name: &str| {
            let (_, rest) = text.split_once(name)?;
            hexadecimal(rest.split(' ').next()?)
        };
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "VMFault" => {
                let address = field("fault_addr=").unwrap_or_default();
                let ip = field(" ip=").or(ip).unwrap_or_default();
                let fetch = rest.contains("(instruction fault)") || address == ip;
                let write = field("fsr=").is_some_and(|code| code & PAGE_FAULT_WRITE != 0);
                let access = match (fetch, write) {
                    (_, true) => "write",
                    (true, false) => "fetch",
                    (false, false) => "read",
                };
                let what = if field("fsr=").is_some_and(|code| code & PAGE_FAULT_PRESENT != 0) {
                    "mapped without this right"
                } else {
                    "nothing is mapped there"
                };
                let text = format!("kind=memory access={access} address={address:#x} ip={ip:#x}");
                (text, what.into())
            }
            "CapFault" => {
                let address = field("fault_addr=").unwrap_or_default();
                let ip = field(" ip=").or(ip).unwrap_or_default();
                let text = format!("kind=capability address={address:#x} ip={ip:#x}");
                (text, "no such capability".into())
            }
            "UserException" => {
                let ip = ip.unwrap_or_default();
                let what = if self.panicked() { "panic" } else { "processor exception" };
                (format!("kind=exception ip={ip:#x}"), what.into())
            }
            // The monitor has no words for it.
            _ if self.label == Some(UNKNOWN_SYSTEM_CALL) => {
                let number = self.register("rdx").unwrap_or_default().cast_signed();
                let ip = ip.unwrap_or_default();
                let text = format!("kind=system-call number={number} ip={ip:#x}");
                (text, "no such system call".into())
            }
            _ => ("kind=unknown".into(), text.into()),
        }
    }

    /// Whether the domain ended itself.
    fn panicked(&self) -> bool {
        self.register("rdi") == Some(PANIC_MARK)
    }

    fn register(&self, name: &str) -> Option<u64> {
        self.registers.iter().find(|(its, _)| its == name).map(|(_, value)| *value)
    }

    fn report(self, kind: &str, what: &str, words: &[String], statuses: &mut Vec<Status>) {
        let separator = if what.is_empty() { "" } else { ": " };
        let detail = format!("{kind}{separator}{what}");
        statuses.push(Status::PdFault { pd: self.pd.clone(), detail });
        let line = |text| Status::PdReport { pd: self.pd.clone(), text };
        statuses.extend(words.iter().cloned().map(line));
        let row = |registers: &[(String, u64)]| {
            let cells: Vec<String> =
                registers.iter().map(|(name, value)| format!("{name}={value:#x}")).collect();
            line(cells.join(" "))
        };
        // The first three are those that say where it was.
        let (place, general) = self.registers.split_at(self.registers.len().min(3));
        statuses.extend(
            std::iter::once(place).chain(general.chunks(5)).filter(|c| !c.is_empty()).map(row),
        );
    }
}

/// Error code of a page fault: a page is there, and it was a write (Intel SDM
/// vol. 3A, 4.7).
const PAGE_FAULT_PRESENT: u64 = 1 << 0;
const PAGE_FAULT_WRITE: u64 = 1 << 1;

/// `seL4_Fault_UnknownSyscall` of seL4 16, whose number of the call is in rdx.
const UNKNOWN_SYSTEM_CALL: u64 = 2;

/// A line such as `rip : 0x0000000000200000`.
fn register(line: &str) -> Option<(String, u64)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let named = !name.is_empty() && name.len() <= 8 && name.chars().all(plain);
    if named { Some((name.to_owned(), hexadecimal(value.trim())?)) } else { None }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The line without its control characters. The kernel colours its own, by
/// sequences of ESC, `[`, numbers and a letter, which go with them.
fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                // To the letter that ends it, or to the line's end.
                let _ = characters.by_ref().find(char::is_ascii_alphabetic);
            }
            _ if character.is_control() => {}
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REGISTERS: &str = "Registers: \nrip : 0x0000000000200123\nrsp : 0x00007fffffffd000\n\
        rflags : 0x0000000000000202\nrax : 0x0000000000000001\nfs_base : 0x0000000000000000\n";

    fn report(kind: &str) -> String {
        format!(
            "MON|ERROR: received message 0x00000005  badge: 0x0000000000000001  tcb cap: \
             0x000000000000000a\nMON|ERROR: faulting PD: vmm\n{REGISTERS}MON|ERROR: {kind}\n"
        )
    }

    /// The same of a domain that ended itself.
    fn panic() -> String {
        let mark = format!("rdi : {PANIC_MARK:#018x}\nfs_base");
        report("UserException").replace("fs_base", &mark)
    }

    fn read(text: &str) -> Vec<String> {
        MonitorReader::default().push(text.as_bytes()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_memory_fault_is_reported_as_on_the_embedded_board() {
        let text = report(
            "VMFault: ip=0x0000000000200123  fault_addr=0x0000000000000010  fsr=0x0000000000000006  \
             (data fault)",
        ) + "MON|ERROR: description of fault: write in user mode\n\
             MON|ERROR: potential stack overflow\n";
        assert_eq!(
            read(&text),
            [
                "vmm: fault kind=memory access=write address=0x10 ip=0x200123: nothing is mapped there",
                "vmm: rip=0x200123 rsp=0x7fffffffd000 rflags=0x202",
                "vmm: rax=0x1 fs_base=0x0",
                "vmm: potential stack overflow",
            ]
        );
    }

    #[test]
    fn a_panic_comes_with_its_words_and_what_others_said_before_does_not() {
        let text =
            "MON|INFO: Microkit Monitor started!\ntimer: at 1 Hz\npanicked at src/main.rs:1:2:\nno memory\n"
                .to_owned()
                + &panic();
        assert_eq!(
            read(&text)[..3],
            [
                "vmm: fault kind=exception ip=0x200123: panic",
                "vmm: panicked at src/main.rs:1:2:",
                "vmm: no memory",
            ]
        );
        assert!(read(&report("UserException"))[0].ends_with("processor exception"));
    }

    #[test]
    fn words_wait_for_the_domain_that_panicked() {
        let other = report("UserException").replace("vmm", "timer");
        let text = "MON|INFO: Microkit Monitor started!\npanicked at src/main.rs:1:2:\nno memory\n"
            .to_owned()
            + &other
            + &panic();
        let lines = read(&text);
        assert_eq!(lines[0], "timer: fault kind=exception ip=0x200123: processor exception");
        assert!(lines.iter().all(|line| line != "timer: no memory"), "{lines:#?}");
        assert!(lines.iter().any(|line| line == "vmm: no memory"), "{lines:#?}");
    }

    #[test]
    fn other_faults_are_named_and_a_second_one_is_a_report_of_its_own() {
        let cap =
            "CapFault: ip=0x0000000000200123  fault_addr=0x0000000000000000  in_recv_phase=false";
        let both = read(&(report(cap) + &report("Unknown fault")));
        let faults: Vec<_> = both.iter().filter(|line| line.contains("fault kind=")).collect();
        assert_eq!(
            faults,
            [
                "vmm: fault kind=capability address=0x0 ip=0x200123: no such capability",
                "vmm: fault kind=unknown: Unknown fault",
            ]
        );
    }

    #[test]
    fn a_call_that_there_is_not_is_named_by_its_label() {
        let text = "0x0000000000000002".to_owned()
            + &report("Unknown fault")
                .replace("0x00000005", "0x00000002")
                .replace("rax : 0x0000000000000001", "rdx : 0xffffffffffffff9d");
        let first = &read(&text)[0];
        assert_eq!(
            first,
            "vmm: fault kind=system-call number=-99 ip=0x200123: no such system call"
        );
    }

    #[test]
    fn words_that_the_monitor_interrupts_are_kept() {
        let text = "MON|INFO: Microkit Monitor started!\npanicked at src/mai".to_owned() + &panic();
        assert_eq!(read(&text)[1], "vmm: panicked at src/mai");
    }

    #[test]
    fn the_kernel_s_last_words_end_the_system_whatever_their_colour() {
        for text in [
            "\u{1b}[31mCaught \u{1b}[0mcap fault in send phase at address 0\n",
            "Kernel init failed for some reason :(\r\n",
        ] {
            assert!(
                matches!(&MonitorReader::default().push(text.as_bytes())[..], [Status::Failed(_)]),
                "{text}"
            );
        }
    }

    #[test]
    fn an_initialiser_that_panics_ends_the_system_with_its_reason() {
        let text =
            "INFO  [sel4_capdl_initializer] Starting\npanicked at src/a.rs:1:2:\nno memory\nmore\n";
        let failed = "system: failed to start: the Microkit's initialiser panicked at src/a.rs:1:2: no memory";
        assert_eq!(read(text), [failed]);
    }

    #[test]
    fn what_a_good_start_prints_is_no_report() {
        let text = "Boot config: debug_port = 0x3e8\nBooting all finished, dropped to user space\n\
            INFO  [sel4_capdl_initializer::initialize] Starting threads\nMON|INFO: Microkit Monitor started!\n\
            timer: time-stamp counter at 100000000 Hz\n";
        assert!(read(text).is_empty());
    }

    #[test]
    fn endless_lines_and_reports_are_cut() {
        let mut reader = MonitorReader::default();
        assert!(reader.push(&vec![b'x'; 100_000]).is_empty());
        assert!(reader.line.len() <= LINE_MAX);
        let endless = "MON|ERROR: faulting PD: vmm\n".to_owned() + &"rax : 0x1\n".repeat(1000);
        reader.push(b"\n");
        reader.push(endless.as_bytes());
        assert_eq!(reader.fault.as_ref().unwrap().registers.len(), REGISTERS_MAX);
        let mut reader = MonitorReader { runs: true, ..MonitorReader::default() };
        reader.push(("panicked at x\n".to_owned() + &"more\n".repeat(1000)).as_bytes());
        assert_eq!(reader.words.len(), WORDS_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_failing_and_however_they_are_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300
        ) {
            let whole = MonitorReader::default().push(&bytes);
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let mut reader = MonitorReader::default();
            let mut parts = reader.push(head);
            parts.extend(reader.push(tail));
            prop_assert_eq!(whole, parts);
        }
    }
}

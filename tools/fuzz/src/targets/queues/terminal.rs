//! What several clients' output may do to the terminal, told from the bytes that
//! reach it: text, line ends, and what moves within a line's own text.

/// What the virtualiser's own lines begin with.
const NOTE: &str = "[console: ";

/// Holds what was shown to it: every line, and every part of one that a carriage
/// return begins, has a name in front, and nothing reaches to the left of its text.
pub(super) fn is_safe(shown: &[u8], names: &[&str]) {
    let text = std::str::from_utf8(shown).expect("the terminal gets UTF-8");
    for line in text.split("\r\n") {
        for part in line.split('\r') {
            let part = after_colours(part);
            if part.is_empty() {
                continue;
            }
            if let Some(note) = part.strip_prefix(NOTE) {
                assert!(note.ends_with(']'), "a note and something else: {line:?}");
                continue;
            }
            let prefix = names.iter().find(|name| part.starts_with(&format!("{name}| ")));
            let Some(name) = prefix else { panic!("nobody's: {part:?} in {line:?}") };
            let own = &part[name.len() + 2..];
            assert!(!own.contains('|'), "two names in one line: {line:?}");
            stays_in_its_text(own);
        }
    }
}

/// What follows control sequences for colours.
fn after_colours(mut text: &str) -> &str {
    while let Some((parameters, last, rest)) = sequence(text)
        && last == 'm'
        && parameters.chars().all(|c| c.is_ascii_digit() || ";:".contains(c))
    {
        text = rest;
    }
    text
}

/// Parameters and last character of the control sequence that a text begins with
/// (ECMA-48, 5.4), and what follows.
fn sequence(text: &str) -> Option<(&str, char, &str)> {
    let body = text.strip_prefix("\x1b[")?;
    let end = body.find(|c: char| ('@'..='~').contains(&c))?;
    Some((&body[..end], body[end..].chars().next()?, &body[end + 1..]))
}

/// Holds a client's text on one line to its own columns.
fn stays_in_its_text(own: &str) {
    let mut column = 0_i64;
    let mut rest = own;
    while let Some(c) = rest.chars().next() {
        if c == '\u{1b}' {
            let Some((parameters, last, after)) = sequence(rest) else {
                panic!("an escape that is no control sequence: {own:?}")
            };
            rest = after;
            let count = || parameters.parse::<i64>().expect("a number");
            match last {
                'm' => {
                    let plain = |c: char| c.is_ascii_digit() || ";:".contains(c);
                    assert!(parameters.chars().all(plain), "no colour: {own:?}");
                }
                'K' | 'J' => assert_eq!(parameters, "", "it erases backwards: {own:?}"),
                'C' => column += count(),
                'D' => column -= count(),
                _ => panic!("a control sequence ends with {last:?}: {own:?}"),
            }
        } else {
            rest = &rest[c.len_utf8()..];
            match c {
                '\u{7}' => {}
                '\u{8}' => column -= 1,
                c => {
                    assert!(c == '\t' || !c.is_control(), "{c:?} reaches the terminal: {own:?}");
                    column += 1;
                }
            }
        }
        assert!(column >= 0, "left of its own text: {own:?}");
    }
}

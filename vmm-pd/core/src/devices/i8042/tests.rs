//! The keyboard controller against what old software does with it.

use super::bits::*;
use super::*;
use proptest::prelude::*;

const RESET: Option<Request> = Some(Request::Reset(ResetSource::KeyboardController));

fn status(c: &I8042) -> Status {
    Status::from_bits_retain(c.read_status())
}

#[test]
fn it_never_keeps_a_driver_waiting_for_its_input() {
    let mut c = I8042::new();
    for value in 0..=0xEF {
        c.write_command(value);
        assert!(!status(&c).contains(Status::INPUT_FULL));
        c.write_data(OutputPort::all().bits());
        assert!(!status(&c).contains(Status::INPUT_FULL));
    }
}

#[test]
fn pulsing_the_reset_line_resets() {
    for command in 0xF0..=0xFF {
        let expected = if command & 1 == 0 { RESET } else { None };
        assert_eq!(I8042::new().write_command(command), expected, "{command:#x}");
    }
}

#[test]
fn letting_the_reset_line_go_in_the_output_port_resets() {
    let mut c = I8042::new();
    assert_eq!(c.write_command(WRITE_OUTPUT_PORT), None);
    assert_eq!(c.write_data(OutputPort::all().bits()), None);
    assert_eq!(c.write_command(WRITE_OUTPUT_PORT), None);
    assert_eq!(c.write_data((OutputPort::all() - OutputPort::RUN).bits()), RESET);
}

#[test]
fn the_a20_bit_of_the_output_port_is_kept() {
    let mut c = I8042::new();
    let off = (OutputPort::all() - OutputPort::A20).bits();
    c.write_command(WRITE_OUTPUT_PORT);
    c.write_data(off);
    c.write_command(READ_OUTPUT_PORT);
    assert_eq!(c.read_data(), off);
}

#[test]
fn the_self_test_passes() {
    let mut c = I8042::new();
    c.write_command(SELF_TEST);
    assert!(status(&c).contains(Status::OUTPUT_FULL | Status::COMMAND | Status::SYSTEM));
    assert_eq!(c.read_data(), SELF_TEST_PASSED);
    assert!(!status(&c).contains(Status::OUTPUT_FULL));
}

#[test]
fn the_command_byte_is_kept() {
    let mut c = I8042::new();
    c.write_command(WRITE_COMMAND_BYTE);
    c.write_data(0x65);
    c.write_command(READ_COMMAND_BYTE);
    assert_eq!(c.read_data(), 0x65);
}

#[test]
fn no_keyboard_and_no_mouse_answer() {
    let mut c = I8042::new();
    c.write_data(0xFF);
    assert!(status(&c).contains(Status::TIMEOUT | Status::OUTPUT_FULL));
    assert_eq!(c.read_data(), NO_ANSWER);
    assert!(!status(&c).contains(Status::TIMEOUT));
    c.write_command(SEND_TO_MOUSE);
    c.write_data(0xFF);
    assert_eq!(c.read_data(), NO_ANSWER);
    c.write_command(TEST_MOUSE);
    assert_eq!(c.read_data(), LINE_DEAD);
}

#[test]
fn a_command_drops_the_parameter_that_another_waited_for() {
    let mut c = I8042::new();
    c.write_command(WRITE_OUTPUT_PORT);
    c.write_command(DISABLE_KEYBOARD);
    assert_eq!(c.write_data(0), None);
}

proptest! {
    #[test]
    fn any_sequence_is_survived(steps in prop::collection::vec((0u8..4, any::<u8>()), 0..200)) {
        let mut c = I8042::new();
        for (what, value) in steps {
            match what {
                0 => { c.read_data(); }
                1 => { c.read_status(); }
                2 => { let _ = c.write_data(value); }
                _ => { let _ = c.write_command(value); }
            }
            prop_assert_eq!(
                status(&c).contains(Status::OUTPUT_FULL), c.state().output.is_some());
        }
    }
}

//! The command's exit statuses. What a guest's own results mean is in
//! [`bulkhead_machine::Outcome`].

/// The command itself could not do its work: set-up, build, system start.
pub const FAILED: u8 = 125;
/// The time given by `--timeout` is up.
pub const TIMEOUT: u8 = 124;
/// The user left.
pub const LEFT: u8 = 130;
/// Nobody reads standard output any more: as if by SIGPIPE (13).
pub const CLOSED: u8 = 128 + 13;

/// Ended by a signal, in the shells' convention.
pub fn signal(number: i32) -> u8 {
    u8::try_from(number.saturating_add(128)).unwrap_or(FAILED)
}

/// For `--help`.
pub const HELP: &str = "\
Exit status of `run`:
  0        every guest powered off
  1-99     a guest's value at its debug-exit port
  100      a guest halted for good
  101      a guest's kernel panicked
  102      a guest took a triple fault
  103      a guest did what its VMM does not handle
  104      a guest was restarted too often
  105      a guest's image or configuration is bad
  106      a guest was reset, and its configuration says to stop then
  107      a guest's VMM faulted
  124      the time given by --timeout is up
  125      set-up, build or the system's start failed
  130      you left by Ctrl-A x
  128+N    ended by signal N
With several guests the first that is not 0 counts, in the description's order.";

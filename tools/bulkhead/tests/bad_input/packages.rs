//! A bare Debian: everything is missing, and the user is not root. Who installs
//! what is either done after saying so, or shown to be done by hand.
//!
//! sudo itself is played by a script: this machine need not have it.

use std::process::Command;

use crate::{
    call::{Call, Catalogue},
    checkout::{Checkout, real},
    terminal::Terminal,
};

/// A user that owns nothing here.
const USER: u32 = 12_345;

/// Whatever a bare Debian lacks is hidden, and of all programs some are left that
/// every Debian has; the copy and the command are shown to that user at places that
/// it can reach. `$1` is the copy, `$2` the command, `$3` the folder of scripts.
const BARE: &str = "set -e
mount -t tmpfs none /usr/share/seabios
mount -t tmpfs none /usr/share/vgabios
mount -t tmpfs none /usr/lib/ISOLINUX
mount -t tmpfs none /usr/lib/syslinux
mount -t tmpfs none /usr/lib/x86_64-linux-gnu/bochs
mount -t tmpfs none /var/lib/apt/lists
touch /var/lib/apt/lists/main_Packages
mount -t tmpfs none /mnt
mkdir /mnt/checkout /mnt/bin /mnt/scripts
mount --rbind \"$1\" /mnt/checkout
touch /mnt/bin/bulkhead
mount --bind \"$2\" /mnt/bin/bulkhead
mount --bind \"$3\" /mnt/scripts
for program in sh bash env cp apt-get dpkg-deb setpriv mount; do
    cp -L \"$(command -v $program)\" /mnt/bin/
done
PATH=/mnt/bin
mount -t tmpfs none /usr/bin
cp /mnt/bin/sh /mnt/bin/bash /usr/bin/
export PATH=/mnt/scripts:/mnt/bin
cd /mnt/checkout
shift 3
exec \"$@\"";

/// The command as that user calls it.
fn as_user(checkout: &Checkout, arguments: &[&str]) -> Command {
    // So that the folder is there.
    checkout.program("nothing", "#!/bin/sh\n");
    let become_user = format!("--reuid={USER}");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", BARE, "sh"])
        .arg(checkout.root())
        .arg(env!("CARGO_BIN_EXE_bulkhead"))
        .arg(checkout.programs())
        .args(["setpriv", &become_user, "--regid=12345", "--clear-groups"])
        .arg("bulkhead")
        .args(arguments)
        .env_remove("CARGO_MANIFEST_DIR")
        .env("TMPDIR", "/tmp");
    command
}

/// sudo that wants a password and gets a wrong one, or the right one.
fn sudo(is_right: bool) -> String {
    let status = if is_right { 0 } else { 1 };
    format!(
        "#!/bin/bash
case $1 in
    -n) echo 'sudo: a password is required' >&2; exit 1 ;;
    -v) read -rsp '[sudo] password: ' password </dev/tty 2>/dev/tty; exit {status} ;;
    *) [ \"${{*: -1}}\" = update ] && exit 0 ;;
esac
echo \"sudo ran: $*\" >&2
exit 100
"
    )
}

pub fn on_a_bare_debian_a_user_gets_the_packages_and_the_command() {
    let _built = real();
    let checkout = Checkout::fresh();
    let call = Call::new(&checkout, [""; 0]);
    let mut catalogue = Catalogue::default();
    for (name, script, arguments) in [
        ("without sudo", None, &["build"][..]),
        ("without sudo, and told not to install", None, &["build", "--no-install"]),
        ("sudo wants a password, and there is no terminal", Some(sudo(true)), &["build"]),
        ("sudo is there, and told not to install", Some(sudo(true)), &["run", "--no-install"]),
    ] {
        if let Some(script) = &script {
            checkout.program("sudo", script);
        }
        let output = as_user(&checkout, arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("unshare starts");
        let outcome = call.outcome(&output);
        assert_eq!(outcome.status, 125, "{name}: {}", outcome.err);
        for package in ["bochs", "seabios", "gcc", "xorriso", "isolinux", "python3"] {
            assert!(outcome.err.contains(package), "{name}: {package}: {}", outcome.err);
        }
        assert!(!outcome.err.contains("sudo ran"), "{name}: {}", outcome.err);
        assert!(!checkout.out().exists(), "{name}: nothing is built");
        catalogue.add(name, &outcome);
    }
    catalogue.check("packages");
}

pub fn sudo_asks_at_a_terminal_only_and_what_it_runs_was_shown() {
    let _built = real();
    let checkout = Checkout::fresh();
    for is_right in [false, true] {
        checkout.program("sudo", &sudo(is_right));
        let mut terminal = Terminal::start(&mut as_user(&checkout, &["build"]));
        terminal.wait_for("[sudo] password: ");
        assert!(terminal.shown().contains("Runs as root"), "{}", terminal.shown());
        terminal.press(b"secret\n");
        let status = terminal.end();
        let shown = terminal.shown();
        assert_eq!(status, 125, "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
        if is_right {
            // What this sudo did, it said: not what was asked for.
            let ran = shown
                .lines()
                .find(|line| line.contains("sudo ran: "))
                .unwrap_or_else(|| panic!("it did not run: {shown}"));
            assert!(ran.contains("apt-get") && ran.contains("install"), "{ran}");
            assert!(ran.contains(" bochs ") && ran.contains("seabios"), "{ran}");
        } else {
            assert!(shown.contains("sudo gave no permission"), "{shown}");
            assert!(shown.contains("sudo apt-get install --no-install-recommends"), "{shown}");
            assert!(!shown.contains("sudo ran"), "{shown}");
        }
        assert!(terminal.is_as_before(), "the terminal echoes again: {shown}");
    }
}

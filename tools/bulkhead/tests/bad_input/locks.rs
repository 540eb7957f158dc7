//! Two commands at once in one checkout: kept apart, or one waits.

use std::{
    fs,
    process::{Child, Stdio},
};

use crate::{call::Call, checkout::Checkout};

fn start(checkout: &Checkout, arguments: &[&str]) -> Child {
    let mut command = Call::new(checkout, arguments).command();
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

#[test]
fn builds_at_once_wait_for_each_other() {
    let checkout = Checkout::new();
    fs::remove_dir_all(checkout.out().join("kernel")).expect("it was built");
    let children: Vec<Child> = (0..3).map(|_| start(&checkout, &["build"])).collect();
    let mut waited = 0;
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        waited += usize::from(said.contains("waiting for process"));
    }
    assert!(waited >= 1, "nobody had to wait");
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
}

//! An initial task that tests the kernel below it, case by case.
//!
//! The text appended to the boot image names the cases, a line each; they run
//! in that order. A line `*` stands for all that no other line names. Each is announced and judged on the status channel:
//! `case NAME begins`, then `case NAME passed` or `case NAME failed : why`, and
//! `cases all done` at the end. A case that halts the kernel, or hangs it, is
//! the last line's.
//!
//! Each case makes its own objects and leaves them behind, so that one that
//! fails does not spoil the next. Which patch of the kernel each case guards is
//! in `tools/kernel/patches/README.md`.
//!
//! Not here: guests that misbehave (`guest-images/unit`). Here it is the VMM
//! that does. The surprising fact: the guests' code lies in the middle of this
//! program's functions ([`guest`]).
#![no_std]
#![no_main]

mod cases;
mod clock;
mod guest;
mod thread;
mod verdict;
mod vm;
mod world;

use core::panic::PanicInfo;

use sel4_root_task::{Appended, BootInfo, Status, init_caps, root_task};

use cases::Case;
use world::World;

root_task!(main);

fn main(boot: &'static BootInfo) -> ! {
    let mut status = Status::new();
    let names = Appended::find(boot).and_then(|image| core::str::from_utf8(image.spec).ok());
    let Some(names) = names else { panic!("the image names no cases") };
    let mut world = match World::new(boot) {
        Ok(world) => world,
        Err(failure) => panic!("{failure}"),
    };
    for line in names.lines() {
        let mut found = false;
        for (name, case) in cases::ALL {
            let meant = match line {
                "*" => names.lines().all(|other| other != *name),
                one => one == *name,
            };
            if meant {
                found = true;
                run(name, *case, &mut world, &mut status);
            }
        }
        assert!(found, "there is no case {line}");
    }
    status.line(format_args!("cases all done"));
    stop()
}

fn run(name: &str, case: Case, world: &mut World, status: &mut Status) {
    status.line(format_args!("case {name} begins"));
    let verdict = case(world);
    world.stop_threads();
    match verdict {
        Ok(()) => status.line(format_args!("case {name} passed")),
        Err(failure) => status.line(format_args!("case {name} failed : {failure}")),
    }
}

fn stop() -> ! {
    loop {
        // Suspending oneself does not return.
        let _ = init_caps::TCB.suspend();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    Status::new().line(format_args!("system - failed : {}", info.message()));
    stop()
}

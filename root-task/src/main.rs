//! The initial task of the `bochs` board: builds every protection domain with
//! exactly the authority that the compiled system description grants, starts
//! them, then waits for their faults and reports them.
//!
//! It makes no policy and checks few of the Microkit's rules ([`layout`]):
//! `tools/sdf` did, on the host. Either the whole system starts or none of it: threads are
//! resumed only after the last capability is in place. The surprising fact:
//! programs and guest images are not copied. They lie, page by page, in this
//! program's own boot image, and those very frames become the domains' memory.
#![no_std]
#![no_main]

mod construct;
mod cspace;
mod devices;
mod image;
mod layout;
mod memory;
mod monitor;
mod panic;
mod threads;
mod window;

use sel4_root_task::{BootInfo, Objects, Status, root_task};

root_task!(main);

fn main(boot: &'static BootInfo) -> ! {
    let start = sel4::timestamp_counter();
    let mut status = Status::new();
    let mut objects = Objects::new(boot);
    let built = image::Image::find(boot)
        .map_err(construct::BuildError::from)
        .and_then(|image| construct::construct(&mut objects, &image));
    match built {
        Ok(system) => {
            let ticks = sel4::timestamp_counter().wrapping_sub(start);
            status.line(format_args!("system - ready ticks={ticks}"));
            monitor::run(system, &mut objects, &mut status)
        }
        Err(e) => {
            status.line(format_args!("system - failed : {e}"));
            panic::stop()
        }
    }
}

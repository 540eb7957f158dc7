//! The end of the initial task.

use core::panic::PanicInfo;

use sel4_root_task::{Status, init_caps};

/// Stops this thread for good. The kernel idles or runs what was started.
pub fn stop() -> ! {
    loop {
        // Suspending oneself does not return; if the kernel refuses there is
        // nothing better to try.
        let _ = init_caps::TCB.suspend();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    Status::new().line(format_args!("system - failed : initial task: {}", info.message()));
    stop()
}

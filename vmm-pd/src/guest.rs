//! What every start of the guest is made from.

use bulkhead_config::Vmm;
use vmm_core::{
    boot::{self, BootError, Images, Start},
    layout::RamSize,
    memory::GuestMemory,
    types::Gpa,
};

use crate::{
    memory::{Image, Ram},
    vtx::Vtx,
};

/// The guest's images, which it cannot write.
#[derive(Debug)]
pub struct Pristine {
    /// The kernel.
    pub kernel: Image,
    /// The initial RAM disk, if there is one.
    pub initrd: Option<Image>,
}

impl Pristine {
    /// Loads the guest into its RAM and sets the CPU to its first instruction.
    ///
    /// # Errors
    /// The image cannot be started.
    pub fn start(
        &self,
        config: &Vmm,
        size: RamSize,
        ram: &mut Ram,
        cpu: &mut Vtx,
    ) -> Result<Start, BootError> {
        let images = Images {
            kernel: &self.kernel,
            initrd: self.initrd.as_ref(),
            command_line: &config.command_line,
        };
        let start = boot::load(ram, size, &images)?;
        start.apply(cpu);
        Ok(start)
    }

    /// Clears the guest's RAM: what the last run left must not reach the next.
    pub fn clear(&self, size: RamSize, ram: &mut Ram) {
        // The range is the RAM's own.
        let _ = ram.zero(Gpa(0), size.bytes());
    }
}

//! The writer, for host tools.

use std::vec::Vec;

use serde::Serialize;

use crate::{MAGIC, records::*};

/// Collects records and writes the stream that [`Spec::parse`](crate::Spec::parse) reads.
#[derive(Clone, Debug, Default)]
pub struct Builder<'a> {
    /// Protection domains, in index order.
    pub domains: Vec<ProtectionDomain<'a>>,
    /// Parts of programs.
    pub segments: Vec<Segment>,
    /// Memory regions, in index order.
    pub regions: Vec<Region<'a>>,
    /// Regions mapped by protection domains.
    pub maps: Vec<Map>,
    /// Virtual machines.
    pub machines: Vec<VirtualMachine<'a>>,
    /// Regions in guests' physical address spaces.
    pub guest_maps: Vec<GuestMap>,
    /// Interrupt lines.
    pub irqs: Vec<Irq>,
    /// Ranges of I/O ports.
    pub io_ports: Vec<IoPort>,
    /// Channels.
    pub channels: Vec<Channel>,
}

impl Builder<'_> {
    /// The stream.
    ///
    /// # Errors
    /// A table of 2^32 records or bytes.
    pub fn write(&self) -> postcard::Result<Vec<u8>> {
        let mut out = MAGIC.to_vec();
        table(&mut out, &self.domains)?;
        table(&mut out, &self.segments)?;
        table(&mut out, &self.regions)?;
        table(&mut out, &self.maps)?;
        table(&mut out, &self.machines)?;
        table(&mut out, &self.guest_maps)?;
        table(&mut out, &self.irqs)?;
        table(&mut out, &self.io_ports)?;
        table(&mut out, &self.channels)?;
        Ok(out)
    }
}

fn table<T: Serialize>(out: &mut Vec<u8>, records: &[T]) -> postcard::Result<()> {
    let too_long = |_| postcard::Error::SerializeBufferFull;
    let mut bytes = Vec::new();
    for record in records {
        bytes = postcard::to_extend(record, bytes)?;
    }
    *out =
        postcard::to_extend(&u32::try_from(records.len()).map_err(too_long)?, std::mem::take(out))?;
    *out =
        postcard::to_extend(&u32::try_from(bytes.len()).map_err(too_long)?, std::mem::take(out))?;
    out.extend(bytes);
    Ok(())
}

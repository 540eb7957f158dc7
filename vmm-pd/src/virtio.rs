//! The guest's virtio devices, as far as the system description maps their
//! regions: a device exists if all of its regions do. What the configuration says
//! of it is the entry of the same number.

use bulkhead_config::{Disk, Interface, Limit, Vmm as Config};
use sddf::block::{Client, InfoSource};
use sddf::net::Lender;
use sddf::serial::{Consumer, Producer, Shared};
use sel4_microkit::{memory_region_opt, numbered_region, started};
use shmem::{Read, ReadWrite, Region};
use static_cell::{ConstStaticCell, StaticCell};
use vmm_core::devices::virtio::{
    Models,
    block::{Block, Options, SERIAL_MAX, Store},
    console::Console,
    entropy::Entropy,
    net::{self, Direction, Net},
    rate::{Limiter, Rate},
};
use vmm_core::time::TscFrequency;

/// All devices that there are. To be called once.
pub fn models(config: &Config, tsc: TscFrequency) -> Models {
    Models {
        block: blocks(config, tsc),
        net: nets(config, tsc),
        entropy: entropy(),
        console: console(),
    }
}

fn entropy() -> Option<Entropy> {
    let queue: Region<ReadWrite> =
        memory_region_opt!(ReadWrite, entropy_queue_vaddr, entropy_queue_size)?;
    let data: Region<Read> = memory_region_opt!(Read, entropy_data_vaddr, entropy_data_size)?;
    let source = started(Shared::new(&queue, data));
    Some(Entropy::new(Consumer::attach(source)))
}

fn console() -> Option<&'static mut Console> {
    static CONSOLE: StaticCell<Console> = StaticCell::new();
    let tx_queue = memory_region_opt!(ReadWrite, hvc_tx_queue_vaddr, hvc_tx_queue_size)?;
    let tx_data = memory_region_opt!(ReadWrite, hvc_tx_data_vaddr, hvc_tx_data_size)?;
    let rx_queue = memory_region_opt!(ReadWrite, hvc_rx_queue_vaddr, hvc_rx_queue_size)?;
    let rx_data = memory_region_opt!(Read, hvc_rx_data_vaddr, hvc_rx_data_size)?;
    let output = started(Producer::attach(started(Shared::new(&tx_queue, tx_data))));
    let input = started(Consumer::attach(started(Shared::new(&rx_queue, rx_data))));
    Some(CONSOLE.init(Console::new(output, input)))
}

/// The regions of a disk's connection.
struct Regions {
    requests: Region<ReadWrite>,
    responses: Region<ReadWrite>,
    data: Region<ReadWrite>,
    info: Region<Read>,
}

/// The regions of a disk, if all are mapped.
macro_rules! disk {
    ($number:literal) => {
        (|| {
            Some(Regions {
                requests: numbered_region!(ReadWrite, "blk", $number, "_requests")?,
                responses: numbered_region!(ReadWrite, "blk", $number, "_responses")?,
                data: numbered_region!(ReadWrite, "blk", $number, "_data")?,
                info: numbered_region!(Read, "blk", $number, "_info")?,
            })
        })()
    };
}

fn blocks(config: &Config, tsc: TscFrequency) -> [Option<&'static mut Block<'static>>; 2] {
    static DISKS: [StaticCell<Block<'static>>; 2] = [const { StaticCell::new() }; 2];
    static STORES: [ConstStaticCell<Store>; 2] = [const { ConstStaticCell::new(Store::new()) }; 2];
    let [store0, store1] = &STORES;
    let options = |index: usize| config.block.get(index).cloned().unwrap_or_default();
    let [disk0, disk1] = &DISKS;
    [
        disk!(0).map(|regions| disk0.init(block(regions, store0.take(), &options(0), tsc))),
        disk!(1).map(|regions| disk1.init(block(regions, store1.take(), &options(1), tsc))),
    ]
}

fn block(
    Regions { requests, responses, data, info }: Regions,
    store: &'static mut Store,
    disk: &Disk,
    tsc: TscFrequency,
) -> Block<'static> {
    let mut serial = [0; SERIAL_MAX];
    for (to, from) in serial.iter_mut().zip(disk.serial_number.bytes()) {
        *to = from;
    }
    let client = started(Client::new(&requests, &responses));
    let info = started(InfoSource::new(&info));
    let options = Options { read_only: disk.read_only, serial };
    started(Block::new(store, client, data, info, options, limiter(disk.limit, tsc)))
}

/// The regions of an interface's connection: rings and data of each direction.
struct Frames {
    free: Region<ReadWrite>,
    active: Region<ReadWrite>,
    data: Region<ReadWrite>,
}

/// The regions of an interface, of what it receives and of what it transmits, if all
/// are mapped.
macro_rules! interface {
    ($number:literal) => {
        (|| {
            let receive = Frames {
                free: numbered_region!(ReadWrite, "net", $number, "_rx_free")?,
                active: numbered_region!(ReadWrite, "net", $number, "_rx_active")?,
                data: numbered_region!(ReadWrite, "net", $number, "_rx_data")?,
            };
            let transmit = Frames {
                free: numbered_region!(ReadWrite, "net", $number, "_tx_free")?,
                active: numbered_region!(ReadWrite, "net", $number, "_tx_active")?,
                data: numbered_region!(ReadWrite, "net", $number, "_tx_data")?,
            };
            Some((receive, transmit))
        })()
    };
}

fn nets(config: &Config, tsc: TscFrequency) -> [Option<&'static mut Net>; 2] {
    static INTERFACES: [StaticCell<Net>; 2] = [const { StaticCell::new() }; 2];
    // An interface without an address is none; the configuration is held to that.
    let [options0, options1] = [config.net.first(), config.net.get(1)];
    let [net0, net1] = &INTERFACES;
    [
        options0.and_then(|options| Some(net0.init(net(interface!(0)?, options, tsc)))),
        options1.and_then(|options| Some(net1.init(net(interface!(1)?, options, tsc)))),
    ]
}

fn net((receive, transmit): (Frames, Frames), options: &Interface, tsc: TscFrequency) -> Net {
    let Frames { free, active, data } = receive;
    let receive = Direction {
        lender: started(Lender::new(&free, &active, 0, data.len())),
        data,
        limiter: limiter(options.limit, tsc),
    };
    let Frames { free, active, data } = transmit;
    let transmit = Direction {
        lender: started(Lender::new(&active, &free, 0, data.len())),
        data,
        limiter: limiter(options.limit, tsc),
    };
    Net::new(receive, transmit, net::Options { mac: options.mac.bytes(), mtu: options.mtu })
}

fn limiter(limit: Limit, tsc: TscFrequency) -> Limiter {
    let Limit { operations, operations_burst, bytes, bytes_burst } = limit;
    Limiter::new(Rate::new(operations, operations_burst), Rate::new(bytes, bytes_burst), tsc)
}

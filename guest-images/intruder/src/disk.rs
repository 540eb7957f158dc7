//! Attempts on memory and disk by way of a virtio disk: addresses at which the guest
//! has no memory, and sectors that its disk does not have.
//!
//! A device that followed an address outside of the guest's memory would write what is
//! on the disk there, or bring to the disk what lies there.

use crate::device::{Answer, Device, Piece};
use crate::mapping::{Mapping, PAGE};

/// Kinds of request (virtio 1.2, 5.2.6).
const READ: u32 = 0;
const WRITE: u32 = 1;

/// `VIRTIO_BLK_F_RO`: the driver may not write, whatever it agrees to.
const READ_ONLY: u32 = 1 << 5;

/// Bytes of a sector.
const SECTOR: u32 = 512;

/// Where the parts of a request lie in its page.
const HEADER: usize = 0;
const STATUS: usize = 16;
const DATA: usize = 2048;

/// What a status byte is before the device writes it.
const UNTOUCHED: u8 = 0xee;
/// `VIRTIO_BLK_S_OK`.
const OK: u8 = 0;

/// Places that the machine below knows: the two guests' disk buffers, the disk's and the
/// network's own memory (`systems/two-guests.system`), a card's registers, an interrupt
/// controller's; and numbers that wrap around.
const PLACES: [u64; 9] = [
    0x3820_0000,
    0x3840_0000,
    0x3800_0000,
    0x3808_0000,
    0xfebe_0000,
    0xfee0_0000,
    1 << 40,
    1 << 63,
    0u64.wrapping_sub(PAGE as u64),
];

/// A request's memory.
struct Room {
    memory: Mapping,
    at: u64,
}

impl Room {
    fn pieces(&self, kind: u32, sector: u64, length: u32) -> [Piece; 3] {
        self.memory.write(HEADER, kind);
        self.memory.write(HEADER + 4, 0_u32);
        self.memory.write(HEADER + 8, sector);
        self.memory.write(STATUS, UNTOUCHED);
        for at in (DATA..PAGE).step_by(8) {
            self.memory.write(at, MARK);
        }
        let piece =
            |at: usize, length, writable| Piece { address: self.at + at as u64, length, writable };
        [piece(HEADER, 16, false), piece(DATA, length, kind == READ), piece(STATUS, 1, true)]
    }

    fn status(&self) -> u8 {
        self.memory.read(STATUS)
    }

    /// Whether the device wrote nothing where data was to go.
    fn is_untouched(&self) -> bool {
        (DATA..PAGE).step_by(8).all(|at| self.memory.read::<u64>(at) == MARK)
    }
}

/// What lies where data is to go.
const MARK: u64 = 0x756e_746f_7563_6865;

/// Tries everything on the disk at a place on the bus, and gives it back.
///
/// # Errors
/// Something was not refused, or what is allowed was.
pub fn attack(place: &str) -> Result<String, String> {
    let device = Device::take(place)?;
    let memory = Mapping::own("intruder-request", PAGE).map_err(|e| e.to_string())?;
    let at = memory.physical(0).map_err(|e| e.to_string())?;
    let room = Room { memory, at };
    allowed(&device, &room)?;
    let (addresses, mut wrong) = addresses(&device, &room)?;
    allowed(&device, &room)?;
    let (sectors, more) = sectors(&device, &room)?;
    wrong.extend(more);
    let protected = device.offers(READ_ONLY);
    if protected {
        device.start();
        let answer = device.request(&room.pieces(WRITE, 0, SECTOR))?;
        if answer != Answer::Done || [OK, UNTOUCHED].contains(&room.status()) {
            wrong.push(format!("a write: {answer:?}, status {:#x}", room.status()));
        }
    }
    allowed(&device, &room)?;
    device.give_back()?;
    if wrong.is_empty() {
        let writes = if protected { ", and writes" } else { "" };
        return Ok(format!("disk: {addresses} addresses, {sectors} sectors{writes} were refused"));
    }
    let count = wrong.len();
    wrong.truncate(8);
    Err(format!("{count} were not refused: {}", wrong.join("; ")))
}

/// A request for the first sector, which is ours.
fn allowed(device: &Device, room: &Room) -> Result<(), String> {
    device.start();
    let answer = device.request(&room.pieces(READ, 0, SECTOR))?;
    match (answer, room.status()) {
        (Answer::Done, OK) => Ok(()),
        (answer, status) => Err(format!("the disk does not work: {answer:?}, status {status:#x}")),
    }
}

/// Addresses that are not the guest's memory, wherever a device is told one.
///
/// # Returns
/// How many were tried, and those that were not refused.
fn addresses(device: &Device, room: &Room) -> Result<(usize, Vec<String>), String> {
    let end = crate::memory::end()?;
    let mut places = vec![end, end - 8];
    places.extend(PLACES);
    let (mut tried, mut wrong) = (0, Vec::new());
    for place in places {
        for kind in [READ, WRITE] {
            for (number, part) in ["header", "data", "status"].into_iter().enumerate() {
                device.start();
                let mut pieces = room.pieces(kind, 0, SECTOR);
                // So long that one which begins in memory leaves it.
                pieces[number] = Piece { address: place, length: SECTOR, ..pieces[number] };
                let answer = device.request(&pieces)?;
                tried += 1;
                if answer != Answer::Broken || room.status() == OK {
                    wrong.push(format!("{part} at {place:#x} of kind {kind}: {answer:?}"));
                }
            }
        }
        for number in 0..3 {
            let mut parts = [room.at; 3];
            parts[number] = place & !15;
            device.start_with(parts);
            device.kick()?;
            tried += 1;
            if !device.is_broken() {
                wrong.push(format!("part {number} of the queue at {place:#x}"));
            }
        }
    }
    Ok((tried, wrong))
}

/// Sectors beyond the disk's end, where another's begins.
///
/// # Returns
/// As [`addresses`].
fn sectors(device: &Device, room: &Room) -> Result<(usize, Vec<String>), String> {
    let capacity = u64::from(device.config(0)) | u64::from(device.config(4)) << 32;
    let last = capacity.checked_sub(1).ok_or("the disk is empty")?;
    let (mut tried, mut wrong) = (0, Vec::new());
    for (sector, length) in [
        (capacity, SECTOR),
        (last, 2 * SECTOR),
        (capacity + 2048, SECTOR),
        (1 << 32, SECTOR),
        // As bytes these are small.
        (1 << 55, SECTOR),
        ((1 << 55) + capacity, SECTOR),
        (u64::MAX, SECTOR),
        (u64::MAX, 2 * SECTOR),
        (u64::MAX - 1, 2 * SECTOR),
    ] {
        for kind in [READ, WRITE] {
            device.start();
            let answer = device.request(&room.pieces(kind, sector, length))?;
            tried += 1;
            let refused = answer == Answer::Done && ![OK, UNTOUCHED].contains(&room.status());
            if !refused || !room.is_untouched() {
                let status = room.status();
                wrong.push(format!("sector {sector:#x}: {answer:?}, status {status:#x}"));
            }
        }
    }
    Ok((tried, wrong))
}

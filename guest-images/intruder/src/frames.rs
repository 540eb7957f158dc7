//! Listens to everything that an interface hears, and sends frames from and to any
//! address.

use std::{
    collections::BTreeMap,
    fmt,
    os::fd::{AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    sys::{
        socket::{
            AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
            sockopt::ReceiveTimeout,
        },
        time::TimeVal,
    },
};

/// For experiments on one's own network (IEEE 802-2014, 9.2.4).
const EXPERIMENT: [u8; 2] = [0x88, 0xb5];

/// Bytes of a frame at least, without its checksum (IEEE 802.3-2018, 3.2.7).
const FRAME: usize = 60;

/// An address on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mac([u8; 6]);

impl Mac {
    fn parse(text: &str) -> Result<Mac, String> {
        let bytes: Result<Vec<u8>, _> =
            text.split(':').map(|b| u8::from_str_radix(b, 16)).collect();
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Mac).ok_or_else(|| format!("{text} is no address"))
    }

    fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&bytes.join(":"))
    }
}

fn wire() -> Result<OwnedFd, String> {
    let all = SockProtocol::EthAll;
    socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), all)
        .map_err(|e| format!("no socket: {e}"))
}

/// Listens so many seconds. The interface must be told to hear everything.
///
/// # Errors
/// It cannot.
pub fn listen(seconds: &str, own: &str) -> Result<String, String> {
    let seconds: u64 = seconds.parse().map_err(|_| "how many seconds?")?;
    let own = Mac::parse(own)?;
    let wire = wire()?;
    let (mut heard, mut foreign) = (0, 0);
    let mut experiments: BTreeMap<Mac, u32> = BTreeMap::new();
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(1) {
            break;
        }
        let limit = TimeVal::new(0, left.as_micros().min(500_000) as i64);
        setsockopt(&wire, ReceiveTimeout, &limit).map_err(|e| e.to_string())?;
        let mut frame = [0; 2048];
        let length = match recv(wire.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(e) => return Err(e.to_string()),
        };
        let Some((head, _)) = frame.get(..length).and_then(<[u8]>::split_first_chunk::<14>) else {
            continue;
        };
        let (to, from) = head.split_at(6);
        let mac = |bytes: &[u8]| Mac(bytes.try_into().unwrap_or_default());
        let (to, from) = (mac(to), mac(from.split_at(6).0));
        if from == own {
            continue;
        }
        heard += 1;
        if to != own && !to.is_group() {
            foreign += 1;
        }
        if head.ends_with(&EXPERIMENT) {
            *experiments.entry(from).or_default() += 1;
        }
    }
    let experiments: Vec<String> =
        experiments.iter().map(|(from, count)| format!("{count} from {from}")).collect();
    Ok(format!(
        "frames: heard {heard}, not for us {foreign}, of the experiment [{}]",
        experiments.join(", ")
    ))
}

/// Sends frames.
///
/// # Errors
/// It cannot.
pub fn send(interface: &str, from: &str, to: &str, count: &str) -> Result<String, String> {
    let (from, to) = (Mac::parse(from)?, Mac::parse(to)?);
    let count: u32 = count.parse().map_err(|_| "how many?")?;
    let index = if_nametoindex(interface).map_err(|e| format!("{interface}: {e}"))?;
    let wire = wire()?;
    let mut frame = [&to.0[..], &from.0, &EXPERIMENT].concat();
    frame.resize(FRAME, 0);
    // SAFETY: a structure of numbers, for which zeroes are values.
    let mut place: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    place.sll_family = libc::AF_PACKET as u16;
    place.sll_ifindex = i32::try_from(index).map_err(|e| e.to_string())?;
    for _ in 0..count {
        // SAFETY: the frame and the address are readable for the lengths given.
        let sent = unsafe {
            libc::sendto(
                wire.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const place).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        if sent < 0 {
            return Err(format!("frame not sent: {}", Errno::last()));
        }
    }
    Ok(format!("frames: sent {count} from {from} to {to}"))
}

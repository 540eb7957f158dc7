//! How long an echo takes over the first virtio network interface: ICMP to a peer
//! that answers at once.

use std::{
    fs,
    io::{self, Read, Write},
    net::Ipv4Addr,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, connect, socket,
};

use crate::{clock, line};

/// The interface.
const INTERFACE: &str = "eth0";
/// Its address, and that of the peer (RFC 5737: for documentation).
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Bytes of the ICMP message, header included, as the figure has it: 64.
const MESSAGE: usize = 64;
/// Echoes.
const SAMPLES: usize = 512;
/// Until the first answer comes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Echo and its answer (RFC 792).
const ECHO: u8 = 8;

/// Whether there is one.
pub fn is_there() -> bool {
    fs::exists(format!("/sys/class/net/{INTERFACE}")).unwrap_or(false)
}

/// Measures.
///
/// # Errors
/// What failed.
pub fn measure() -> Result<String, String> {
    bring_up().map_err(|e| format!("{INTERFACE}: {e}"))?;
    let failed = |e: io::Error| format!("echo over {INTERFACE}: {e}");
    let mut pinger = Pinger::new().map_err(failed)?;
    // The first asks for the peer's hardware address too; the link may not be up.
    let began = Instant::now();
    while let Err(e) = pinger.echo(0) {
        if began.elapsed() > PATIENCE {
            return Err(failed(e));
        }
        thread::sleep(Duration::from_millis(100));
    }
    let mut samples = Vec::with_capacity(SAMPLES);
    for n in 1..=SAMPLES as u16 {
        let before = clock::now();
        pinger.echo(n).map_err(failed)?;
        samples.push(u32::try_from(clock::now() - before).unwrap_or(u32::MAX));
    }
    Ok(line("net_rtt_64", &samples))
}

/// Gives the interface its address and switches it on, as ifconfig does.
fn bring_up() -> io::Result<()> {
    // Unprivileged echoes are for groups in this range.
    fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0")?;
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), None)?;
    // SAFETY: a structure of numbers and a union of such, for which zeroes are values.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (into, from) in request.ifr_name.iter_mut().zip(INTERFACE.bytes()) {
        *into = from.cast_signed();
    }
    // SAFETY: as above.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_addr.s_addr = u32::from_ne_bytes(OWN.octets());
    // SAFETY: sockaddr_in is as long as sockaddr, and both are plain numbers.
    request.ifr_ifru.ifru_addr =
        unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(address) };
    control(&socket, libc::SIOCSIFADDR, &mut request)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    control(&socket, libc::SIOCSIFFLAGS, &mut request)
}

fn control(socket: &impl AsRawFd, what: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: both requests read an ifreq (netdevice(7)), which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), what, &raw mut *request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends echoes to the peer, one at a time.
struct Pinger(fs::File);

impl Pinger {
    fn new() -> io::Result<Self> {
        let icmp = Some(SockProtocol::Icmp);
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), icmp)?;
        let timeout = nix::sys::time::TimeVal::new(2, 0);
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::ReceiveTimeout, &timeout)?;
        let [a, b, c, d] = PEER.octets();
        connect(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0))?;
        Ok(Pinger(socket.into()))
    }

    /// An echo and its answer. Linux fills in identifier and checksum.
    fn echo(&mut self, number: u16) -> io::Result<()> {
        let mut message = [0x5A; MESSAGE];
        message[..8].fill(0);
        message[0] = ECHO;
        message[6..8].copy_from_slice(&number.to_be_bytes());
        self.0.write_all(&message)?;
        let mut answer = [0; MESSAGE + 1];
        let length = self.0.read(&mut answer)?;
        let right = length == MESSAGE && answer[6..MESSAGE] == message[6..] && answer[0] == 0;
        if right { Ok(()) } else { Err(io::Error::other("an answer to something else")) }
    }
}

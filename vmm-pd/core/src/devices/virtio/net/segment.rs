//! A packet that the driver wants sent in pieces: TCP over IPv4, cut into frames whose
//! headers differ by place, length, sequence number and flags (virtio 1.2, 5.1.6.2).
//!
//! What the driver says of the headers' length is a hint that nobody needs: they say it
//! themselves. They are copied once and held against the packet's length; the rest is
//! only bytes. Not here: moving it.

use virtq::{Memory, Parts};

use super::bits::{ETHERNET, HEADER, TAG};
use super::checksum::{fold, sum};

/// Bytes of the headers at most: Ethernet's with a tag, and the greatest of IPv4 and TCP
/// (RFC 791, 3.1; RFC 9293, 3.1), whose lengths are four bits of words.
const HEAD_MAX: usize = (ETHERNET + TAG) as usize + 60 + 60;

/// Kinds of Ethernet frames: IPv4, and a tag before the kind.
const IPV4: [u8; 2] = [0x08, 0x00];
const TAGGED: [u8; 2] = [0x81, 0x00];

/// IPv4: protocol number of TCP, and offsets in the header.
const TCP: u8 = 6;
const TOTAL_LENGTH: usize = 2;
const IDENTIFICATION: usize = 4;
const PROTOCOL: usize = 9;
const IP_CHECKSUM: usize = 10;
const ADDRESSES: usize = 12;
const IP_LEAST: usize = 20;

/// TCP: offsets in the header, and flags.
const SEQUENCE: usize = 4;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
const TCP_LEAST: usize = 20;
const FIN: u8 = 1 << 0;
const PSH: u8 = 1 << 3;
const CWR: u8 = 1 << 7;

/// A packet whose headers make sense.
#[derive(Debug)]
pub(super) struct Packet {
    head: [u8; HEAD_MAX],
    /// Where IP's header begins, TCP's, and the data.
    ip: usize,
    tcp: usize,
    data: usize,
    /// Bytes of data, and those of a piece.
    length: u32,
    each: u32,
}

/// A frame to be made: its own headers, and bytes of the driver's behind them.
#[derive(Debug)]
pub(super) struct Piece {
    head: [u8; HEAD_MAX],
    head_length: usize,
    /// Where the driver's bytes begin behind its virtio header, and how many they are.
    pub from: u32,
    pub length: u32,
    /// If the frame's checksum is to be finished: where what it is of begins, and where it
    /// goes.
    pub checksum: Option<(usize, usize)>,
}

impl Piece {
    /// A frame that the driver made.
    pub fn whole(length: u32, checksum: Option<(usize, usize)>) -> Piece {
        Piece { head: [0; HEAD_MAX], head_length: 0, from: 0, length, checksum }
    }

    /// Its own headers.
    pub fn head(&self) -> &[u8] {
        self.head.get(..self.head_length).unwrap_or(&[])
    }
}

impl Packet {
    /// The packet in a chain behind its virtio header, in pieces of so many bytes.
    ///
    /// # Returns
    /// Nothing if it is not TCP over IPv4, or not as long as it says.
    pub fn parse(given: &Parts<'_>, memory: &impl Memory, each: u16) -> Option<Packet> {
        let whole = given.len().checked_sub(HEADER as u32)?;
        let mut head = [0; HEAD_MAX];
        let copied = given.read(memory, HEADER as u32, &mut head).ok()?;
        let (bytes, _) = head.split_at_checked(copied)?;
        let kind = |at: usize| bytes.get(at..at + 2);
        let tagged = kind(ETHERNET as usize - 2)? == TAGGED;
        let ip = (ETHERNET + if tagged { TAG } else { 0 }) as usize;
        if kind(ip - 2)? != IPV4 {
            return None;
        }
        let first = *bytes.get(ip)?;
        let ip_length = usize::from(first & 0xf) * 4;
        let tcp = ip + ip_length;
        let tcp_length = usize::from(bytes.get(tcp + DATA_OFFSET)? >> 4) * 4;
        let data = tcp + tcp_length;
        let sound = first >> 4 == 4
            && ip_length >= IP_LEAST
            && *bytes.get(ip + PROTOCOL)? == TCP
            && tcp_length >= TCP_LEAST
            && data <= bytes.len();
        let length = whole.checked_sub(data as u32)?;
        // IPv4 has no more than 16 bits for a length.
        let fits = whole - ip as u32 <= u32::from(u16::MAX);
        (sound && fits && length > 0 && each > 0).then_some(Packet {
            head,
            ip,
            tcp,
            data,
            length,
            each: each.into(),
        })
    }

    /// Bytes of the longest frame.
    pub fn longest(&self) -> u32 {
        self.data as u32 + self.each.min(self.length)
    }

    /// Whether there are frames behind that of a number.
    pub fn goes_on(&self, number: u32) -> bool {
        let begin = number.checked_add(1).and_then(|next| next.checked_mul(self.each));
        begin.is_some_and(|begin| begin < self.length)
    }

    /// The frame of a number, counted from 0; none behind the last.
    pub fn piece(&self, number: u32) -> Option<Piece> {
        let offset = number.checked_mul(self.each).filter(|offset| *offset < self.length)?;
        let data = self.each.min(self.length - offset);
        let is_last = offset + data == self.length;
        let mut head = self.head;
        let (_, ip) = head.split_at_mut_checked(self.ip)?;
        let (ip, tcp) = ip.split_at_mut_checked(self.tcp - self.ip)?;
        // Each fits 16 bits: the packet does.
        let behind_ip = (self.data - self.tcp) as u16 + data as u16;
        put(ip, TOTAL_LENGTH, ip.len() as u16 + behind_ip);
        put(ip, IDENTIFICATION, get(ip, IDENTIFICATION).wrapping_add(number as u16));
        put(ip, IP_CHECKSUM, 0);
        put(ip, IP_CHECKSUM, !fold(sum(0, ip)));

        let sequence = tcp.get_mut(SEQUENCE..SEQUENCE + 4)?.first_chunk_mut::<4>()?;
        *sequence = u32::from_be_bytes(*sequence).wrapping_add(offset).to_be_bytes();
        let flags = tcp.get_mut(FLAGS)?;
        if !is_last {
            *flags &= !(FIN | PSH);
        }
        if number > 0 {
            *flags &= !CWR;
        }
        // What the sum over header and data begins with (RFC 9293, 3.1).
        let addresses = ip.get(ADDRESSES..ADDRESSES + 8)?;
        let begin = u16::from(TCP).checked_add(behind_ip)?.to_be();
        put(tcp, TCP_CHECKSUM, fold(sum(begin.into(), addresses)));
        Some(Piece {
            head,
            head_length: self.data,
            from: self.data as u32 + offset,
            length: data,
            checksum: Some((self.tcp, self.tcp + TCP_CHECKSUM)),
        })
    }
}

fn get(header: &[u8], at: usize) -> u16 {
    let bytes = header.get(at..at + 2).and_then(|rest| rest.first_chunk::<2>());
    bytes.map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

fn put(header: &mut [u8], at: usize, value: u16) {
    for (byte, new) in header.iter_mut().skip(at).zip(value.to_be_bytes()) {
        *byte = new;
    }
}

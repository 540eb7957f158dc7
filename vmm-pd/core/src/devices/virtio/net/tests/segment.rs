//! Packets that the driver wants cut.

use super::*;

/// Headers and data of a packet as Linux hands it over.
#[derive(Clone, Debug)]
struct Packet {
    tagged: bool,
    /// Words of options behind each header.
    ip_options: usize,
    tcp_options: usize,
    flags: u8,
    data: Vec<u8>,
}

const FIN: u8 = 1;
const PSH: u8 = 8;
const ACK: u8 = 16;
const CWR: u8 = 128;

const IDENTIFICATION: u16 = 0xfffe;
const SEQUENCE: u32 = 0xffff_ff00;

impl Packet {
    fn of(length: usize) -> Packet {
        let data = (0..length).map(|n| ((n * 7) >> 3) as u8).collect();
        Packet { tagged: false, ip_options: 0, tcp_options: 0, flags: ACK | PSH, data }
    }

    /// Where IP's header begins, TCP's, and the data.
    fn places(&self) -> (usize, usize, usize) {
        let ip = if self.tagged { 18 } else { 14 };
        let tcp = ip + 20 + self.ip_options * 4;
        (ip, tcp, tcp + 20 + self.tcp_options * 4)
    }

    fn bytes(&self) -> Vec<u8> {
        let (ip, tcp, data) = self.places();
        let mut bytes: Vec<u8> = (0..data).map(|n| n as u8 | 0x40).collect();
        if self.tagged {
            bytes[12..16].copy_from_slice(&[0x81, 0, 0, 5]);
        }
        bytes[ip - 2..ip].copy_from_slice(&[8, 0]);
        bytes[ip] = 0x45 + self.ip_options as u8;
        bytes[ip + 4..ip + 6].copy_from_slice(&IDENTIFICATION.to_be_bytes());
        bytes[ip + 9] = 6;
        bytes[tcp + 4..tcp + 8].copy_from_slice(&SEQUENCE.to_be_bytes());
        bytes[tcp + 12] = ((data - tcp) as u8 / 4) << 4;
        bytes[tcp + 13] = self.flags;
        bytes.extend(&self.data);
        bytes
    }

    /// The virtio header for pieces of so many bytes.
    fn header(&self, each: u16) -> [u8; 12] {
        let (_, tcp, data) = self.places();
        let mut header = PLAIN;
        (header[0], header[1]) = (1, 1);
        header[2..4].copy_from_slice(&(data as u16).to_le_bytes());
        header[4..6].copy_from_slice(&each.to_le_bytes());
        header[6..8].copy_from_slice(&(tcp as u16).to_le_bytes());
        header[8..10].copy_from_slice(&16_u16.to_le_bytes());
        header
    }

    /// Holds frames to what the packet is in pieces of so many bytes.
    fn check(&self, each: usize, frames: &[Vec<u8>]) {
        let (ip, tcp, head) = self.places();
        let chunks: Vec<&[u8]> = self.data.chunks(each).collect();
        assert_eq!(frames.len(), chunks.len());
        let original = self.bytes();
        for (number, (frame, data)) in frames.iter().zip(&chunks).enumerate() {
            let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
            assert_eq!(frame[head..], **data, "frame {number}");
            assert_eq!(frame[..ip], original[..ip]);
            assert_eq!(usize::from(word(ip + 2)), frame.len() - ip);
            assert_eq!(word(ip + 4), IDENTIFICATION.wrapping_add(number as u16));
            assert_eq!(reference(&frame[ip..tcp]), 0xffff, "IP's checksum of frame {number}");
            let at = SEQUENCE.wrapping_add((number * each) as u32);
            assert_eq!(frame[tcp + 4..tcp + 8], at.to_be_bytes());
            let mut flags = self.flags;
            if number + 1 < chunks.len() {
                flags &= !(FIN | PSH);
            }
            if number > 0 {
                flags &= !CWR;
            }
            assert_eq!(frame[tcp + 13], flags);
            let mut whole = frame[ip + 12..ip + 20].to_vec();
            whole.extend([0, 6]);
            whole.extend(((frame.len() - tcp) as u16).to_be_bytes());
            whole.extend(&frame[tcp..]);
            assert_eq!(reference(&whole), 0xffff, "TCP's checksum of frame {number}");
            // Nothing else differs.
            for at in [ip..ip + 2, ip + 6..ip + 10, ip + 12..tcp + 4, tcp + 8..tcp + 13] {
                assert_eq!(frame[at.clone()], original[at]);
            }
            assert_eq!(frame[tcp + 18..head], original[tcp + 18..head]);
        }
    }
}

#[test]
fn a_packet_of_64_kib_goes_out_at_one_kick() {
    let packet = Packet::of(65_000);
    let mut w = world_of(64, u64::MAX, Limiter::default());
    let bytes = packet.bytes();
    w.send(packet.header(1448), &[&bytes[..54], &bytes[54..30_000], &bytes[30_000..]]);
    w.serve();
    assert_eq!(w.finished(), 1);
    packet.check(1448, &w.sent());
}

#[test]
fn what_cannot_be_cut_goes_nowhere() {
    let good = Packet::of(3000);
    let (ip, tcp, _) = good.places();
    let change = |at: usize, value: u8| {
        let mut bytes = good.bytes();
        bytes[at] = value;
        (good.header(1000), bytes)
    };
    let ask = |at: usize, value: u8| {
        let mut header = good.header(1000);
        header[at] = value;
        (header, good.bytes())
    };
    let too_long = Packet::of(65_536 - 40 + 1);
    let cases = [
        // IPv6 by its kind, by its version; UDP; headers too short, and too long for it.
        change(12, 0x86),
        change(ip, 0x65),
        change(ip + 9, 17),
        change(ip, 0x44),
        change(tcp + 12, 0x40),
        (good.header(1000), Packet { data: vec![], tcp_options: 5, ..good.clone() }.bytes()),
        (good.header(1000), good.bytes()[..tcp + 12].to_vec()),
        (good.header(1000), good.bytes()[..tcp + 19].to_vec()),
        (too_long.header(1000), too_long.bytes()),
        // No checksum; other kinds of pieces; pieces of nothing, and longer than a frame.
        ask(0, 0),
        ask(1, 3),
        ask(1, 4),
        ask(1, 0x81),
        (good.header(0), good.bytes()),
        (good.header(1518 - 54 + 1), good.bytes()),
        (good.header(u16::MAX), good.bytes()),
    ];
    let mut w = world();
    for (number, (header, bytes)) in cases.into_iter().enumerate() {
        w.send(header, &[&bytes]);
        w.serve();
        assert_eq!(w.finished(), 1, "case {number} comes back");
        assert_eq!(w.sent(), [] as [Vec<u8>; 0], "case {number}");
    }
    // No buffer was lost over it.
    w.send(good.header(1000), &[&good.bytes()]);
    w.serve();
    good.check(1000, &w.sent());
}

#[test]
fn pieces_need_the_feature_and_that_of_checksums() {
    use bits::feature::{CSUM, HOST_TSO4};
    let packet = Packet::of(3000);
    let mut w = world_of(8, CSUM, Limiter::default());
    w.send(packet.header(1000), &[&packet.bytes()]);
    w.serve();
    assert_eq!((w.finished(), w.sent().len()), (1, 0));
    assert!(w.net.check_features(0) && w.net.check_features(CSUM | HOST_TSO4));
    assert!(!w.net.check_features(HOST_TSO4));
}

#[test]
fn a_reset_between_pieces_leaves_nothing_of_the_packet() {
    let packet = Packet::of(9000);
    let mut w = world_of(2, u64::MAX, Limiter::default());
    w.send(packet.header(1000), &[&packet.bytes()]);
    w.serve();
    assert_eq!((w.sent().len(), w.finished()), (2, 0));
    w.net.reset();
    w.net.start(u64::MAX);
    w.driver = crate::devices::virtio::testing::Driver::new(&[QUEUE_SIZE; 2], &mut w.memory);
    w.send(packet.header(1000), &[&packet.bytes()]);
    let mut frames = vec![];
    for _ in 0..8 {
        w.serve();
        frames.extend(w.sent());
    }
    packet.check(1000, &frames);
}

proptest! {
    /// Whatever the headers, the pieces' size and the buffers that there are.
    #[test]
    fn a_packet_is_cut_into_frames_that_are_right(
        length in 1..20_000_usize,
        each in 88..1460_u16,
        options in (0..=10_usize, 0..=10_usize),
        tagged in any::<bool>(),
        flags in any::<u8>(),
        buffers in 1..12_usize,
        cut in 1..300_usize,
    ) {
        let (ip_options, tcp_options) = options;
        let packet = Packet { tagged, ip_options, tcp_options, flags, ..Packet::of(length) };
        let each = each.min(1518 - packet.places().2 as u16);
        let bytes = packet.bytes();
        let (first, rest) = bytes.split_at(cut.min(bytes.len() - 1));
        let mut w = world_of(buffers.next_power_of_two(), u64::MAX, Limiter::default());
        w.send(packet.header(each), &[first, rest]);
        let mut frames = vec![];
        for _ in 0..=length / usize::from(each) {
            w.serve();
            frames.extend(w.sent());
        }
        w.serve();
        prop_assert_eq!(w.finished(), 1);
        packet.check(each.into(), &frames);
    }
}

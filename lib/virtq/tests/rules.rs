//! Each rule of virtio 1.2, 2.7, that a driver can break, broken.

use virtq::testing::{Buffer, Bytes, Driver};
use virtq::{
    Area, Chain, ConfigError, Fault, Features, Memory, Outside, Pending, Queue, QueueConfig,
};

const RAM: usize = 0x10000;
const BASE: u64 = 0x1000;
const DATA: u64 = 0x8000;
const SIZE: u16 = 8;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

fn all() -> Features {
    Features { indirect: true, event_index: true }
}

struct World {
    memory: Bytes,
    driver: Driver,
    queue: Queue,
}

fn world(features: Features) -> World {
    let memory = Bytes::new(RAM);
    let driver = Driver::new(BASE, SIZE, features);
    assert!(driver.end() <= DATA);
    let queue = driver.config.activate(features, &memory).expect("a sound queue");
    World { memory, driver, queue }
}

impl World {
    fn pop(&mut self) -> Result<Option<Chain<8>>, Fault> {
        let mut chain = Chain::new();
        Ok(self.queue.pop(&self.memory, &mut chain)?.map(|_| chain))
    }

    /// Writes raw descriptors into the queue's table from 0 on and offers the first.
    fn offer(&mut self, descriptors: &[(u64, u32, u16, u16)]) {
        self.raw(self.driver.config.descriptors, descriptors);
        self.driver.offer(&mut self.memory, 0);
    }

    fn raw(&mut self, table: u64, descriptors: &[(u64, u32, u16, u16)]) {
        for (index, descriptor) in descriptors.iter().enumerate() {
            self.driver.descriptor(&mut self.memory, table, index as u16, *descriptor);
        }
    }

    /// The same within an indirect table, of which the driver says it is `length` long.
    fn offer_indirect(&mut self, length: u32, descriptors: &[(u64, u32, u16, u16)]) {
        let table = self.driver.table(0);
        self.raw(table, descriptors);
        self.offer(&[(table, length, INDIRECT, 0)]);
    }

    /// Whatever came, the queue stays closed.
    #[track_caller]
    fn refuses(&mut self, fault: Fault) {
        assert_eq!(self.pop().map(drop), Err(fault));
        assert_eq!(self.pop().map(drop), Err(fault));
        assert_eq!(self.queue.arm(&mut self.memory), Err(fault));
        assert_eq!(self.queue.broken(), Some(fault));
        assert!(!self.queue.publish(&mut self.memory));
    }
}

fn activated(change: impl FnOnce(&mut QueueConfig)) -> Result<(), ConfigError> {
    let mut config = Driver::new(BASE, SIZE, all()).config;
    change(&mut config);
    config.activate(all(), &Bytes::new(RAM)).map(drop)
}

#[test]
fn a_queue_has_a_size_that_is_a_power_of_two() {
    for size in [0, 3, 5, 6, 7, 0xffff] {
        assert_eq!(activated(|c| c.size = size), Err(ConfigError::Size(size)));
    }
    for size in [1, 2, 4, 8] {
        assert_eq!(activated(|c| c.size = size), Ok(()));
    }
}

#[test]
fn a_queue_is_not_larger_than_the_device_offers() {
    let too_large = |size, most| Err(ConfigError::TooLarge { size, most });
    assert_eq!(activated(|c| c.size = 16), too_large(16, 8));
    assert_eq!(activated(|c| (c.size, c.most) = (1 << 15, 1 << 14)), too_large(1 << 15, 1 << 14));
}

#[test]
fn the_areas_of_a_queue_are_aligned() {
    for bit in 0..4 {
        let at = BASE | 1 << bit;
        let refused = |area| Err(ConfigError::Misaligned(area, at));
        assert_eq!(activated(|c| c.descriptors = at), refused(Area::Descriptors));
        let expected = if bit < 1 { refused(Area::Driver) } else { Ok(()) };
        assert_eq!(activated(|c| c.driver = at), expected);
        let expected = if bit < 2 { refused(Area::Device) } else { Ok(()) };
        assert_eq!(activated(|c| c.device = at), expected);
    }
}

#[test]
fn the_areas_of_a_queue_are_ram() {
    let end = RAM as u64;
    for at in [end, end - 16, !0xf, 1 << 63] {
        let outside = |area: Area| {
            Err(ConfigError::Outside(area, Outside { address: at, length: area.length(SIZE) }))
        };
        assert_eq!(activated(|c| c.descriptors = at), outside(Area::Descriptors));
        assert_eq!(activated(|c| c.driver = at), outside(Area::Driver));
        assert_eq!(activated(|c| c.device = at), outside(Area::Device));
    }
    // The last that fit, event index included.
    let last = |area: Area| (end - area.length(SIZE)) & !(area.alignment() - 1);
    assert_eq!(activated(|c| c.device = last(Area::Device)), Ok(()));
    assert_eq!(activated(|c| c.driver = last(Area::Driver)), Ok(()));
}

#[test]
fn a_chain_is_what_the_driver_lent() {
    for indirect in [false, true] {
        let mut w = world(all());
        let buffers = [
            Buffer::read(DATA, 16),
            Buffer::read(DATA + 0x100, 3),
            Buffer::write(DATA + 0x200, 5),
            Buffer::write(0, 1),
        ];
        let head = match indirect {
            false => w.driver.add(&mut w.memory, &buffers),
            true => w.driver.add_indirect(&mut w.memory, &buffers),
        };
        let mut chain = Chain::<4>::new();
        let popped = w.queue.pop(&w.memory, &mut chain).expect("honest").expect("one waits");
        assert_eq!(Some(popped.descriptor()), head);
        let list = |parts: virtq::Parts| -> Vec<_> {
            parts.buffers().iter().map(|p| (p.address, p.length)).collect()
        };
        assert_eq!(list(chain.readable()), [(DATA, 16), (DATA + 0x100, 3)]);
        assert_eq!(list(chain.writable()), [(DATA + 0x200, 5), (0, 1)]);
        assert_eq!((chain.readable().len(), chain.writable().len()), (19, 6));
        assert_eq!(w.queue.in_flight(), 1);
        w.queue.complete(&mut w.memory, popped, 6);
        assert_eq!(w.driver.take(&w.memory), None, "not published yet");
        assert!(w.queue.publish(&mut w.memory));
        assert_eq!(w.driver.take(&w.memory), head.map(|h| (h, 6)));
        assert_eq!(w.queue.in_flight(), 0);
    }
}

#[test]
fn the_available_index_never_goes_back_nor_beyond_the_queue() {
    for found in [9, 0x8000, 0xffff] {
        let mut w = world(all());
        w.driver.set_index(&mut w.memory, found);
        w.refuses(Fault::Index { found, from: 0, room: 8 });
    }
    let mut w = world(all());
    w.driver.add(&mut w.memory, &[Buffer::read(DATA, 1)]);
    assert!(w.pop().is_ok_and(|chain| chain.is_some()));
    w.driver.set_index(&mut w.memory, 0);
    w.refuses(Fault::Index { found: 0, from: 1, room: 7 });
}

#[test]
fn chains_in_the_devices_hands_are_no_room() {
    let mut w = world(all());
    for _ in 0..8 {
        w.driver.add(&mut w.memory, &[Buffer::read(DATA, 1)]);
        assert!(w.pop().is_ok_and(|chain| chain.is_some()));
    }
    w.driver.set_index(&mut w.memory, 9);
    w.refuses(Fault::Index { found: 9, from: 8, room: 0 });
    // What is completed but not told is not the driver's yet either.
    let mut w = world(all());
    for _ in 0..8 {
        w.driver.add(&mut w.memory, &[Buffer::read(DATA, 1)]);
    }
    let mut chain = Chain::<1>::new();
    let head = w.queue.pop(&w.memory, &mut chain).expect("honest").expect("one waits");
    w.queue.complete(&mut w.memory, head, 0);
    for _ in 1..8 {
        assert!(w.pop().is_ok_and(|chain| chain.is_some()));
    }
    assert_eq!(w.pop().map(|c| c.is_some()), Ok(false));
    assert!(w.queue.publish(&mut w.memory));
    w.driver.set_index(&mut w.memory, 9);
    assert_eq!(w.pop().map(|c| c.is_some()), Ok(true));
}

#[test]
fn a_head_is_a_descriptor_of_the_table() {
    for head in [8, 9, 0xffff] {
        let mut w = world(all());
        w.driver.offer(&mut w.memory, head);
        w.refuses(Fault::Head(head));
    }
}

#[test]
fn next_is_a_descriptor_of_the_table() {
    for next in [8, 0xffff] {
        let mut w = world(all());
        w.offer(&[(DATA, 1, NEXT, next)]);
        w.refuses(Fault::Next(next));
    }
    for next in [2, 3, 0xffff] {
        let mut w = world(all());
        w.offer_indirect(32, &[(DATA, 1, NEXT, next), (DATA, 1, 0, 0)]);
        w.refuses(Fault::Next(next));
    }
}

#[test]
fn a_chain_does_not_loop_nor_is_longer_than_the_queue() {
    let mut w = world(all());
    w.offer(&[(DATA, 1, NEXT, 0)]);
    w.refuses(Fault::TooLong { most: 8 });
    let mut w = world(all());
    w.offer(&[(DATA, 1, NEXT, 1), (DATA, 1, NEXT, 0)]);
    w.refuses(Fault::TooLong { most: 8 });
    let mut w = world(all());
    w.offer_indirect(16, &[(DATA, 1, NEXT, 0)]);
    w.refuses(Fault::TooLong { most: 8 });
    let straight = |count: u16| -> Vec<_> {
        (1..=count).map(|n| (DATA, 1, if n < count { NEXT } else { 0 }, n % count)).collect()
    };
    let mut w = world(all());
    w.offer_indirect(9 * 16, &straight(9));
    w.refuses(Fault::TooLong { most: 8 });
    for indirect in [false, true] {
        let mut w = world(all());
        match indirect {
            false => w.offer(&straight(8)),
            true => w.offer_indirect(8 * 16, &straight(8)),
        }
        assert_eq!(w.pop().expect("as long as may be").expect("one").readable().len(), 8);
    }
}

#[test]
fn a_chain_has_no_more_buffers_than_the_device_takes() {
    let mut w = world(all());
    w.driver.add(&mut w.memory, &[Buffer::read(DATA, 1); 3]);
    let mut chain = Chain::<2>::new();
    let refused = w.queue.pop(&w.memory, &mut chain);
    assert_eq!(refused, Err(Fault::TooManyParts { most: 2 }));
}

#[test]
fn writable_buffers_come_last() {
    let mut w = world(all());
    w.offer(&[(DATA, 1, NEXT | WRITE, 1), (DATA, 1, 0, 0)]);
    w.refuses(Fault::ReadableAfterWritable);
    let mut w = world(all());
    w.offer_indirect(32, &[(DATA, 1, NEXT | WRITE, 1), (DATA, 1, 0, 0)]);
    w.refuses(Fault::ReadableAfterWritable);
}

#[test]
fn a_buffer_has_bytes() {
    let mut w = world(all());
    w.offer(&[(DATA, 0, 0, 0)]);
    w.refuses(Fault::Empty);
    let mut w = world(all());
    w.offer_indirect(32, &[(DATA, 1, NEXT, 1), (DATA, 0, WRITE, 0)]);
    w.refuses(Fault::Empty);
}

#[test]
fn a_buffer_is_ram() {
    let end = RAM as u64;
    for (address, length) in [(end, 1), (end - 1, 2), (u64::MAX, 1), (u64::MAX, 2), (DATA, !0)] {
        for flags in [0, WRITE] {
            let mut w = world(all());
            w.offer(&[(address, length, flags, 0)]);
            w.refuses(Fault::Buffer(Outside { address, length: length.into() }));
        }
    }
    let mut w = world(all());
    w.offer(&[(end - 1, 1, WRITE, 0)]);
    assert!(w.pop().is_ok_and(|chain| chain.is_some()));
}

/// RAM that claims to reach further than the vector does.
struct Vast(Bytes);

impl Memory for Vast {
    fn contains(&self, _: u64, _: u64) -> bool {
        true
    }
    fn read_u16(&self, at: u64) -> Result<u16, Outside> {
        self.0.read_u16(at)
    }
    fn read_u64(&self, at: u64) -> Result<u64, Outside> {
        self.0.read_u64(at)
    }
    fn write_u16(&mut self, at: u64, value: u16) -> Result<(), Outside> {
        self.0.write_u16(at, value)
    }
    fn write_u64(&mut self, at: u64, value: u64) -> Result<(), Outside> {
        self.0.write_u64(at, value)
    }
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Outside> {
        self.0.read(at, into)
    }
    fn write(&mut self, at: u64, from: &[u8]) -> Result<(), Outside> {
        self.0.write(at, from)
    }
    fn fence(&self) {}
}

#[test]
fn a_chain_has_fewer_than_2_to_the_32_bytes() {
    let half = 1 << 31;
    for flags in [[0, 0], [WRITE, WRITE], [0, WRITE]] {
        for (second, sound) in [(half, false), (half - 1, true)] {
            let mut w = world(all());
            w.offer(&[(DATA, half, NEXT | flags[0], 1), (DATA, second, flags[1], 0)]);
            let mut chain = Chain::<8>::new();
            let popped = w.queue.pop(&Vast(w.memory), &mut chain).map(drop);
            assert_eq!(popped, if sound { Ok(()) } else { Err(Fault::TooManyBytes) });
        }
    }
}

#[test]
fn an_indirect_table_must_have_been_negotiated() {
    let mut w = world(Features { indirect: false, event_index: true });
    w.offer_indirect(16, &[(DATA, 1, 0, 0)]);
    w.refuses(Fault::IndirectNotNegotiated);
}

#[test]
fn an_indirect_table_holds_no_other() {
    let mut w = world(all());
    let table = w.driver.table(1);
    w.offer_indirect(16, &[(table, 16, INDIRECT, 0)]);
    w.refuses(Fault::IndirectNested);
}

#[test]
fn an_indirect_descriptor_has_no_next() {
    let mut w = world(all());
    let table = w.driver.table(0);
    w.offer(&[(table, 16, INDIRECT | NEXT, 1)]);
    w.refuses(Fault::IndirectWithNext);
}

#[test]
fn an_indirect_table_is_whole_descriptors() {
    for length in [0, 1, 15, 17, 0xffff_ffff, (1 << 20) + 16] {
        let mut w = world(all());
        w.offer_indirect(length, &[(DATA, 1, 0, 0)]);
        w.refuses(Fault::IndirectSize(length));
    }
}

#[test]
fn an_indirect_table_is_ram() {
    for address in [RAM as u64, RAM as u64 - 15, u64::MAX - 15, u64::MAX] {
        let mut w = world(all());
        w.offer(&[(address, 16, INDIRECT, 0)]);
        w.refuses(Fault::IndirectTable(Outside { address, length: 16 }));
    }
}

#[test]
fn an_indirect_table_may_end_a_chain_and_be_marked_writable() {
    let mut w = world(all());
    let table = w.driver.table(0);
    w.raw(table, &[(DATA + 8, 2, NEXT, 1), (DATA + 16, 4, WRITE, 0)]);
    w.offer(&[(DATA, 1, NEXT, 1), (table, 32, INDIRECT | WRITE, 0)]);
    let chain = w.pop().expect("2.7.5.3.2 allows it").expect("one waits");
    assert_eq!((chain.readable().len(), chain.writable().len()), (3, 4));
}

#[test]
fn what_was_copied_out_does_not_change() {
    let mut w = world(all());
    w.offer(&[(DATA, 7, 0, 0)]);
    let chain = w.pop().expect("honest").expect("one waits");
    w.raw(w.driver.config.descriptors, &[(u64::MAX, 1, NEXT, 0xffff)]);
    assert_eq!(chain.readable().buffers(), [virtq::Part { address: DATA, length: 7 }]);
}

#[test]
fn a_kick_is_wanted_only_where_the_device_waits() {
    for event_index in [false, true] {
        let mut w = world(Features { indirect: false, event_index });
        let one = [Buffer::read(DATA, 1)];
        assert_eq!(w.queue.arm(&mut w.memory), Ok(Pending::None));
        w.driver.add(&mut w.memory, &one);
        assert!(w.driver.must_notify(&w.memory));
        w.queue.disarm(&mut w.memory);
        assert!(w.pop().is_ok_and(|chain| chain.is_some()));
        w.driver.add(&mut w.memory, &one);
        assert!(!w.driver.must_notify(&w.memory), "the device looks by itself");
        assert_eq!(w.queue.arm(&mut w.memory), Ok(Pending::More), "came before it could know");
        assert!(w.pop().is_ok_and(|chain| chain.is_some()));
        assert_eq!(w.queue.arm(&mut w.memory), Ok(Pending::None));
        w.driver.add(&mut w.memory, &one);
        assert!(w.driver.must_notify(&w.memory));
    }
}

#[test]
fn an_interrupt_is_wanted_only_where_the_driver_waits() {
    for event_index in [false, true] {
        let mut w = world(Features { indirect: false, event_index });
        let mut wanted = Vec::new();
        for round in 0..4_u16 {
            // Wants to hear of the second only; or, without the index, of odd ones.
            w.driver.ask(&mut w.memory, 1, round % 2 == 1);
            w.driver.add(&mut w.memory, &[Buffer::write(DATA, 1)]);
            let mut chain = Chain::<1>::new();
            let head = w.queue.pop(&w.memory, &mut chain).expect("honest").expect("one");
            w.queue.complete(&mut w.memory, head, 1);
            wanted.push(w.queue.publish(&mut w.memory));
            assert!(!w.queue.publish(&mut w.memory), "nothing new");
        }
        let expected =
            if event_index { [false, true, false, false] } else { [false, true, false, true] };
        assert_eq!(wanted, expected);
    }
}

#[test]
fn what_was_put_back_comes_again() {
    let mut w = world(all());
    for length in 1..=3 {
        w.driver.add(&mut w.memory, &[Buffer::read(DATA, length)]);
    }
    let length = |w: &mut World| w.pop().expect("honest").map(|c| c.readable().len());
    assert_eq!((length(&mut w), length(&mut w)), (Some(1), Some(2)));
    w.queue.unpop();
    w.queue.unpop();
    w.queue.unpop();
    assert_eq!(w.queue.in_flight(), 0);
    assert_eq!(w.queue.arm(&mut w.memory), Ok(Pending::More));
    assert_eq!((length(&mut w), length(&mut w), length(&mut w)), (Some(1), Some(2), Some(3)));
    assert_eq!(length(&mut w), None);
}

#[test]
fn no_more_is_given_back_than_was_taken() {
    let mut w = world(all());
    w.driver.add(&mut w.memory, &[Buffer::read(DATA, 1)]);
    let mut chain = Chain::<1>::new();
    let head = w.queue.pop(&w.memory, &mut chain).expect("honest").expect("one waits");
    w.queue.complete(&mut w.memory, head, 0);
    w.queue.complete(&mut w.memory, head, 0);
    assert!(w.queue.publish(&mut w.memory));
    assert!(w.driver.take(&w.memory).is_some());
    assert!(w.driver.take(&w.memory).is_none());
}

#[test]
fn the_bytes_of_a_chain_are_one_run() {
    let mut w = world(all());
    let buffers = [Buffer::read(DATA, 3), Buffer::read(DATA + 8, 1), Buffer::read(DATA + 16, 4)];
    w.memory.write(DATA, b"abc.....d.......efgh").expect("RAM");
    w.driver.add(&mut w.memory, &buffers);
    let chain = w.pop().expect("honest").expect("one waits");
    let all = chain.readable();
    for from in 0..=9_u32 {
        for length in 0..=9 {
            let mut into = vec![0; length];
            let got = all.read(&w.memory, from, &mut into).expect("RAM");
            let expected: Vec<u8> =
                b"abcdefgh".iter().copied().skip(from as usize).take(length).collect();
            assert_eq!(into[..got], expected);
        }
    }
    assert_eq!(all.write(&mut w.memory, 2, b"CDEX-more"), Ok(6));
    assert_eq!(&w.memory.0[DATA as usize..][..20], b"abC.....D.......EX-m");
}

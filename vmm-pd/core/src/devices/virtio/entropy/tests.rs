use std::string::ToString;
use std::vec::Vec;

use sddf::serial::{Consumer, Producer, Shared};
use shmem::{ReadWrite, Region};

use super::*;
use crate::devices::virtio::testing::{Driver, RAM};
use crate::memory::TestMemory;

/// The queue's regions, and who fills it.
fn source() -> (Region<ReadWrite>, Producer, Entropy) {
    let queue = Region::host(4096);
    let data = Region::host(4096);
    let producer = Producer::attach(Shared::new(&queue, data.clone()).unwrap()).unwrap();
    let consumer = Consumer::attach(Shared::new(&queue, data.read_only()).unwrap());
    (queue, producer, Entropy::new(consumer))
}

fn serve(entropy: &mut Entropy, driver: &mut Driver, memory: &mut TestMemory) -> Served {
    entropy.serve(&mut driver.queues, memory, Ticks(0))
}

#[test]
fn what_comes_from_outside_reaches_the_buffers_once_and_in_order() {
    let (_, mut producer, mut entropy) = source();
    let mut memory = TestMemory::new(RAM);
    let mut driver = Driver::new(&[SIZE], &mut memory);
    driver.offer(0, &mut memory, &[], &[100, 20]);
    assert!(serve(&mut entropy, &mut driver, &mut memory).fault.is_none());
    assert_eq!(driver.used(0, &memory), None, "nothing has come in");

    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(producer.enqueue(&bytes).unwrap(), 256);
    serve(&mut entropy, &mut driver, &mut memory);
    assert_eq!(driver.used(0, &memory).unwrap().1, bytes[..120]);
    assert_eq!(driver.queues.take_interrupts(), 1);

    driver.offer(0, &mut memory, &[], &[200]);
    serve(&mut entropy, &mut driver, &mut memory);
    assert_eq!(driver.used(0, &memory).unwrap().1, bytes[120..], "a part is better than none");
}

#[test]
fn a_source_that_lies_is_closed_and_the_guest_waits() {
    let (queue, _, mut entropy) = source();
    let mut memory = TestMemory::new(RAM);
    let mut driver = Driver::new(&[SIZE], &mut memory);
    driver.offer(0, &mut memory, &[], &[100]);
    queue.write_u32(0, 5000).unwrap();
    assert!(serve(&mut entropy, &mut driver, &mut memory).fault.is_none());
    assert!(entropy.breach().unwrap().to_string().contains("producer broke the protocol"));
    queue.write_u32(0, 100).unwrap();
    serve(&mut entropy, &mut driver, &mut memory);
    assert_eq!(driver.used(0, &memory), None);
}

#[test]
fn a_buffer_that_is_only_readable_comes_back_empty() {
    let (_, mut producer, mut entropy) = source();
    let mut memory = TestMemory::new(RAM);
    let mut driver = Driver::new(&[SIZE], &mut memory);
    producer.enqueue(&[1; 8]).unwrap();
    driver.offer(0, &mut memory, &[&[0; 16]], &[]);
    driver.offer(0, &mut memory, &[], &[8]);
    serve(&mut entropy, &mut driver, &mut memory);
    assert_eq!(driver.used(0, &memory).unwrap().1, []);
    assert_eq!(driver.used(0, &memory).unwrap().1, [1; 8]);
}

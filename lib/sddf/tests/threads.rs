//! Two threads, the product's memory accesses, notifications as a blocking
//! counter: every byte arrives, in order, and nobody sleeps for ever.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use sddf::serial::{Consumer, Producer, Shared, Space};
use shmem::{ReadWrite, Region};

/// A notification object: signals while nobody waits are remembered as one.
#[derive(Default)]
struct Notification(Mutex<bool>, Condvar);

impl Notification {
    fn notify(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    fn wait(&self) {
        let lost = "nobody notified for 20 s: a wake-up was lost";
        let (mut pending, timeout) = self
            .1
            .wait_timeout_while(self.0.lock().unwrap(), Duration::from_secs(20), |pending| {
                !*pending
            })
            .unwrap();
        assert!(!timeout.timed_out(), "{lost}");
        *pending = false;
    }
}

fn run(capacity: usize, bytes: usize, batch: usize, take: usize) {
    let (header, data) = (Region::<ReadWrite>::host(4096), Region::<ReadWrite>::host(capacity));
    let (to_consumer, to_producer) =
        (Arc::new(Notification::default()), Arc::new(Notification::default()));
    let mut producer = Producer::attach(Shared::new(&header, data.clone()).unwrap()).unwrap();
    let mut consumer = Consumer::attach(Shared::new(&header, data.read_only()).unwrap()).unwrap();
    let content = |i: usize| (i.wrapping_mul(2_654_435_761) >> 13) as u8;

    let consuming = {
        let (to_consumer, to_producer) = (to_consumer.clone(), to_producer.clone());
        thread::spawn(move || {
            let mut next = 0;
            let mut buffer = vec![0; take];
            while next < bytes {
                to_consumer.wait();
                loop {
                    let n = consumer.dequeue(&mut buffer).unwrap();
                    if n == 0 {
                        break;
                    }
                    for &byte in &buffer[..n] {
                        assert_eq!(byte, content(next), "byte {next}");
                        next += 1;
                    }
                    if consumer.producer_waits() {
                        to_producer.notify();
                    }
                }
            }
        })
    };

    let stream: Vec<u8> = (0..bytes).map(content).collect();
    let mut sent = 0;
    while sent < bytes {
        let n = producer.enqueue(&stream[sent..bytes.min(sent + batch)]).unwrap();
        sent += n;
        if n > 0 {
            to_consumer.notify();
        }
        if sent < bytes && producer.wait_for_space(1).unwrap() == Space::Wait {
            to_producer.wait();
        }
    }
    consuming.join().unwrap();
}

#[test]
fn bytes_survive_a_tiny_queue() {
    run(1, 20_000, 3, 2);
}

#[test]
fn bytes_survive_odd_batches() {
    run(64, 400_000, 37, 11);
}

#[test]
fn bytes_survive_a_page() {
    run(4096, 8_000_000, 1000, 4096);
}

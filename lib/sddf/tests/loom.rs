//! Every interleaving of the two ends' signalling, under the memory model of
//! C11: neither end ever sleeps while it could go on.

use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};
use loom::sync::{Arc, Mutex};
use sddf::serial::{Consumer, Header, Producer, Sink, Source, Space, Word};

const CAPACITY: usize = 2;

/// A queue whose words have the weakest orderings that the protocol claims to
/// need, weaker than x86-64's.
#[derive(Clone)]
struct Model {
    words: Arc<[AtomicU32; 3]>,
    data: Arc<[AtomicU8; CAPACITY]>,
    fences: bool,
}

impl Model {
    fn new() -> Self {
        Model {
            words: Arc::new([AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)]),
            data: Arc::new([AtomicU8::new(0), AtomicU8::new(0)]),
            fences: true,
        }
    }
}

impl Header for Model {
    fn load(&self, word: Word) -> u32 {
        let order =
            if word == Word::ProducerSignalled { Ordering::Relaxed } else { Ordering::Acquire };
        self.words[word.offset() / 4].load(order)
    }

    fn store(&self, word: Word, value: u32) {
        let order =
            if word == Word::ProducerSignalled { Ordering::Relaxed } else { Ordering::Release };
        self.words[word.offset() / 4].store(value, order);
    }

    fn fence(&self) {
        if self.fences {
            fence(Ordering::SeqCst);
        }
    }

    fn capacity(&self) -> u32 {
        CAPACITY as u32
    }
}

impl Source for Model {
    fn copy_out(&self, offset: u32, into: &mut [u8]) {
        for (i, byte) in into.iter_mut().enumerate() {
            *byte = self.data[offset as usize + i].load(Ordering::Relaxed);
        }
    }
}

impl Sink for Model {
    fn copy_in(&self, offset: u32, from: &[u8]) {
        for (i, byte) in from.iter().enumerate() {
            self.data[offset as usize + i].store(*byte, Ordering::Relaxed);
        }
    }
}

fn a_producer_waits_while_its_queue_is_drained(fences: bool) {
    loom::model(move || {
        let memory = Model { fences, ..Model::new() };
        let mut producer = Producer::attach(memory.clone()).unwrap();
        let mut consumer = Consumer::attach(memory).unwrap();
        assert_eq!(producer.enqueue(&[1, 2]), Ok(2));
        let notified = Arc::new(AtomicBool::new(false));
        let consuming = {
            let notified = notified.clone();
            loom::thread::spawn(move || {
                let mut out = [0; 1];
                for expected in [1, 2] {
                    assert_eq!(consumer.dequeue(&mut out), Ok(1));
                    assert_eq!(out, [expected]);
                    if consumer.producer_waits() {
                        notified.store(true, Ordering::Relaxed);
                    }
                }
            })
        };
        let waits = producer.wait_for_space(1).unwrap() == Space::Wait;
        consuming.join().unwrap();
        assert!(!waits || notified.load(Ordering::Relaxed), "lost wake-up");
        assert_eq!(producer.free(), Ok(2));
    });
}

#[test]
fn a_waiting_producer_is_notified() {
    a_producer_waits_while_its_queue_is_drained(true);
}

/// The model is strong enough to find what the fences are there for.
#[test]
#[should_panic(expected = "lost wake-up")]
fn without_its_fences_the_protocol_loses_wake_ups() {
    a_producer_waits_while_its_queue_is_drained(false);
}

/// A notification as the kernel keeps it, under its lock.
fn take(notified: &Mutex<bool>) -> bool {
    std::mem::take(&mut *notified.lock().unwrap())
}

#[test]
fn a_consumer_that_drained_sees_what_it_was_notified_of() {
    loom::model(|| {
        let memory = Model::new();
        let mut producer = Producer::attach(memory.clone()).unwrap();
        let mut consumer = Consumer::attach(memory).unwrap();
        let notified = Arc::new(Mutex::new(false));
        let producing = {
            let notified = notified.clone();
            loom::thread::spawn(move || {
                for byte in [7, 8] {
                    assert_eq!(producer.enqueue(&[byte]), Ok(1));
                    *notified.lock().unwrap() = true;
                }
            })
        };
        let mut got: Vec<u8> = Vec::new();
        let mut out = [0; 2];
        // One wake-up, wherever it falls, then the last one.
        if take(&notified) {
            let n = consumer.dequeue(&mut out).unwrap();
            got.extend(&out[..n]);
            assert!(n > 0, "notified for nothing");
        }
        producing.join().unwrap();
        if take(&notified) {
            let n = consumer.dequeue(&mut out).unwrap();
            got.extend(&out[..n]);
        }
        assert_eq!(got, [7, 8]);
    });
}

#[test]
fn bytes_pass_complete_through_a_full_queue() {
    loom::model(|| {
        let memory = Model::new();
        let mut producer = Producer::attach(memory.clone()).unwrap();
        let mut consumer = Consumer::attach(memory).unwrap();
        let producing = loom::thread::spawn(move || {
            let mut taken = 0;
            for byte in [1, 2, 3] {
                taken += producer.enqueue(&[byte]).unwrap();
            }
            (producer, taken)
        });
        let mut out = [0; 3];
        let early = consumer.dequeue(&mut out).unwrap();
        let (_, taken) = producing.join().unwrap();
        let late = consumer.dequeue(&mut out[early..]).unwrap();
        assert_eq!(early + late, taken);
        let expected: &[u8] = if taken == 3 { &[1, 2, 3] } else { &[1, 2] };
        assert_eq!(&out[..taken], expected);
    });
}

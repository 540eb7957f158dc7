//! The clients and their queues.

use heapless::Vec;
use sddf::serial::{PeerError, Producer, Space};

use crate::generator::{BLOCK, Failure, Generator};
use crate::hardware::Source;

/// Most clients.
pub const CLIENTS_MAX: usize = 8;

/// One client: its queue, or how it broke it.
type Client = Result<Producer, PeerError>;

/// What came of serving the clients.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[must_use]
pub struct Outcome {
    /// Clients to be notified, a bit each.
    pub notify: u8,
    /// A client that broke its queue just now, and how.
    pub breach: Option<(usize, PeerError)>,
    /// Why nothing, or not all, could be given.
    pub failure: Option<Failure>,
}

/// The generator and whom it serves.
#[derive(Debug)]
pub struct Server<S> {
    generator: Generator<S>,
    clients: Vec<Client, CLIENTS_MAX>,
}

impl<S: Source> Server<S> {
    /// Serves nobody yet.
    pub fn new(generator: Generator<S>) -> Self {
        Server { generator, clients: Vec::new() }
    }

    /// Adds a client. One whose queue makes no sense is one that gets nothing; the
    /// others keep their numbers.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&mut self, client: Client) -> Result<(), TooMany> {
        self.clients.push(client).map_err(|_| TooMany)
    }

    /// Fills every queue that has room.
    pub fn serve(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        for (number, client) in self.clients.iter_mut().enumerate() {
            let Ok(queue) = client else { continue };
            match fill(&mut self.generator, queue) {
                Ok(Filled { any, failure }) => {
                    outcome.notify |= u8::from(any) << number;
                    outcome.failure = outcome.failure.or(failure);
                }
                Err(e) => {
                    outcome.breach = Some((number, e));
                    *client = Err(e);
                }
            }
        }
        outcome
    }
}

/// More clients than [`CLIENTS_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

impl core::fmt::Display for TooMany {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the entropy domain serves {CLIENTS_MAX} clients at most")
    }
}

struct Filled {
    any: bool,
    failure: Option<Failure>,
}

/// Fills a queue and asks to be told when there is room again. It ends: a client that
/// takes as fast as it is given gets twice what its queue holds, and then waits its
/// turn like the others.
fn fill<S: Source>(
    generator: &mut Generator<S>,
    queue: &mut Producer,
) -> Result<Filled, PeerError> {
    let mut filled = Filled { any: false, failure: None };
    let most = queue.capacity() as usize * 2;
    let mut given = 0;
    while given < most && queue.wait_for_space(1)? == Space::Available {
        let mut block = [0; BLOCK];
        if let Err(failure) = generator.fill(&mut block) {
            filled.failure = Some(failure);
            break;
        }
        // What does not fit is dropped: a byte is nobody else's then.
        given += queue.enqueue(&block)?;
        filled.any = true;
    }
    Ok(filled)
}

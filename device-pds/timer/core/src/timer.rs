//! Whose deadline comes next, and who is to be woken now.

use deadline::{ClientWord, Frequency, Tsc};
use heapless::Vec;

use crate::CLIENTS_MAX;
use crate::hpet::{Hpet, HpetError, Registers};
use crate::scale::Scale;

/// Least time between two wake-ups of one client, in nanoseconds. A client
/// that asks for the next tick again and again thus costs at most 20,000
/// passes a second, and finer sleep than this is not worth the two context
/// switches that it costs (2,500 ticks of Bochs's 100 MHz, half this gap).
pub const MIN_GAP_NS: u64 = 50_000;

/// Nanoseconds in a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// Of a sleep longer than a second, the part by which the comparator is set
/// early, so that the clocks' drift is made up for before the deadline rather
/// than noticed after it: more than calibration may be wrong by.
const EARLY_PART: u64 = 4096;

/// A set of clients, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientSet(u8);

const _: () = assert!(CLIENTS_MAX <= u8::BITS as usize);

impl ClientSet {
    fn insert(&mut self, client: usize) {
        self.0 |= 1 << client;
    }

    /// Whether nobody is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this client is in it.
    pub fn contains(self, client: usize) -> bool {
        client < CLIENTS_MAX && self.0 & (1 << client) != 0
    }

    /// Its members, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..CLIENTS_MAX).filter(move |&client| self.contains(client))
    }
}

#[derive(Debug)]
struct Client {
    word: ClientWord,
    /// When its word is to be looked at again.
    pending: Option<Tsc>,
    /// Not before this time, whatever it asks.
    not_before: Tsc,
}

impl Client {
    fn due(&self) -> Option<Tsc> {
        self.pending.map(|at| at.max(self.not_before))
    }
}

/// The clients' deadlines over one comparator.
#[derive(Debug)]
pub struct Timer<R> {
    hpet: Hpet<R>,
    scale: Scale,
    /// [`MIN_GAP_NS`] in ticks of the time-stamp counter.
    gap: u64,
    /// A second in ticks of the time-stamp counter.
    second: u64,
    /// By client number; none where the description connects nobody.
    clients: Vec<Option<Client>, CLIENTS_MAX>,
    /// The deadline for which the comparator is armed.
    armed: Option<Tsc>,
}

impl<R: Registers> Timer<R> {
    /// Serves these clients. Their words are looked at at once, so that a
    /// domain that is restarted takes up where it was.
    pub fn new(
        hpet: Hpet<R>,
        frequency: Frequency,
        words: impl IntoIterator<Item = Option<ClientWord>>,
    ) -> Self {
        let scale = Scale::new(frequency, hpet.period_fs());
        let hz = frequency.hz();
        let gap = u64::try_from(u128::from(hz) * u128::from(MIN_GAP_NS) / u128::from(NANOSECONDS));
        let clients = words
            .into_iter()
            .take(CLIENTS_MAX)
            .map(|word| word.map(|word| Client { pending: word.read(), word, not_before: Tsc(0) }))
            .collect();
        Timer { hpet, scale, gap: gap.unwrap_or(u64::MAX), second: hz, clients, armed: None }
    }

    /// Takes up what a client that notified asks for. [`Timer::serve`] must
    /// follow. A number without a client behind it does nothing.
    pub fn look_at(&mut self, client: usize) {
        if let Some(Some(client)) = self.clients.get_mut(client) {
            client.pending = client.word.read();
        }
    }

    /// The comparator interrupted, or may have: it is armed no more.
    /// Acknowledge the interrupt before this, and let [`Timer::serve`] follow.
    pub fn interrupted(&mut self) {
        self.armed = None;
    }

    /// Finds whose deadline has come by `now` and arms the comparator for the
    /// earliest of the others.
    ///
    /// # Returns
    /// Whom to notify.
    ///
    /// # Errors
    /// The HPET is defective.
    pub fn serve(&mut self, now: Tsc) -> Result<ClientSet, HpetError> {
        let mut woken = ClientSet::default();
        let mut earliest: Option<Tsc> = None;
        for (number, client) in self.clients.iter_mut().enumerate() {
            let Some(client) = client else { continue };
            if client.due().is_some_and(|at| at <= now) {
                // It may have moved its deadline since.
                client.pending = client.word.read();
                if client.pending.is_some_and(|at| at <= now) {
                    woken.insert(number);
                    client.pending = None;
                    client.not_before = Tsc(now.0.saturating_add(self.gap));
                }
            }
            if let Some(at) = client.due() {
                earliest = Some(earliest.map_or(at, |e| e.min(at)));
            }
        }
        self.arm(earliest, now)?;
        Ok(woken)
    }

    fn arm(&mut self, earliest: Option<Tsc>, now: Tsc) -> Result<(), HpetError> {
        let Some(at) = earliest else {
            self.armed = None;
            self.hpet.disarm();
            return Ok(());
        };
        if self.armed == Some(at) {
            return Ok(());
        }
        let span = at.0.saturating_sub(now.0);
        let early = if span > self.second { span / EARLY_PART } else { 0 };
        self.hpet.arm(self.scale.delay(span - early))?;
        self.armed = Some(at);
        Ok(())
    }
}

//! Whose deadline comes next, and who is to be woken now.

use deadline::{ClientWord, Frequency, Tsc};

use crate::hpet::{Hpet, HpetError, Registers};
use crate::scale::Scale;
use crate::{CLIENTS_MAX, ClientSet};

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

#[derive(Debug)]
struct Client {
    /// Where it says when to wake it; none if it does not use that protocol.
    word: Option<ClientWord>,
    /// When to wake it because it called.
    called: Option<Tsc>,
    /// When its word is to be looked at again.
    pending: Option<Tsc>,
    /// Not before this time, whatever it asks.
    not_before: Tsc,
}

impl Client {
    /// When it wants to be woken, as it says now.
    fn wish(&self) -> Option<Tsc> {
        let word = self.word.as_ref().and_then(ClientWord::read);
        word.into_iter().chain(self.called).min()
    }

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
    /// By client number; who is not there wants nothing.
    clients: [Client; CLIENTS_MAX],
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
        let mut words = words.into_iter();
        let clients = core::array::from_fn(|_| {
            let word = words.next().flatten();
            let pending = word.as_ref().and_then(ClientWord::read);
            Client { word, called: None, pending, not_before: Tsc(0) }
        });
        Timer { hpet, scale, gap: gap.unwrap_or(u64::MAX), second: hz, clients, armed: None }
    }

    /// Takes up what a client that notified asks for. [`Timer::serve`] must
    /// follow. A number without a client behind it does nothing.
    pub fn look_at(&mut self, client: usize) {
        if let Some(client) = self.clients.get_mut(client) {
            client.pending = client.wish();
        }
    }

    /// Wakes a client so many nanoseconds from now, because it called; that
    /// replaces what it called for before. [`Timer::serve`] must follow. A number
    /// without a client behind it does nothing.
    pub fn call_for(&mut self, client: usize, nanoseconds: u64, now: Tsc) {
        let ticks = u128::from(nanoseconds) * u128::from(self.second) / u128::from(NANOSECONDS);
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
        if let Some(client) = self.clients.get_mut(client) {
            // Rounded up: nobody is woken early.
            client.called = Some(Tsc(now.0.saturating_add(ticks).saturating_add(1)));
            client.pending = client.wish();
        }
    }

    /// A time in nanoseconds since the time-stamp counter was zero.
    pub fn nanoseconds(&self, at: Tsc) -> u64 {
        let ns = u128::from(at.0) * u128::from(NANOSECONDS) / u128::from(self.second.max(1));
        u64::try_from(ns).unwrap_or(u64::MAX)
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
            if client.due().is_some_and(|at| at <= now) {
                // It may have moved its deadline since.
                client.pending = client.wish();
                if client.pending.is_some_and(|at| at <= now) {
                    woken.insert(number);
                    // One that its word asks for is forgotten until it notifies;
                    // one that it called for later is not.
                    client.called = client.called.filter(|&at| at > now);
                    client.pending = client.called;
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

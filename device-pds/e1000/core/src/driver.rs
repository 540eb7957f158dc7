//! Start, and buffers between the queues and the rings.

use core::fmt;

use sddf::net::{Borrower, Breach, Flag, Waiting};

use crate::{
    Registers,
    bits::{self, Register},
    ring::{Ring, Rings},
};

/// How often a bit is looked at that the card changes: each look takes a microsecond
/// on the bus, a reset less (13.4.1), a word of the EEPROM some hundred.
const LOOKS: u32 = 100_000;

/// Shortest and longest frame that is sent, without its checksum: a header, and
/// 1,500 bytes behind it.
const FRAME_MIN: u16 = 14;
const FRAME_MAX: u16 = 1514;

/// Interrupts that are always wanted.
const INTERRUPTS: u32 = bits::RXT0 | bits::RXO | bits::RXDMT0 | bits::LSC;

/// Why the card could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartError {
    /// It does not come out of its reset.
    Reset,
    /// Its EEPROM holds no address.
    Address,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Reset => f.write_str("the network card does not come out of its reset"),
            StartError::Address => f.write_str("the network card has no address in its EEPROM"),
        }
    }
}

/// The queues of both directions.
#[derive(Debug)]
pub struct Network<const N: usize, M: Flag = sddf::net::Ring> {
    /// Empty buffers, to be given back with frames.
    pub receive: Borrower<N, M>,
    /// The I/O address of their region.
    pub receive_base: u64,
    /// Frames to send.
    pub transmit: Borrower<N, M>,
    /// The I/O address of their region.
    pub transmit_base: u64,
}

/// What came of a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The other end must be notified.
    pub notify: bool,
    /// The link went up, or down.
    pub link: Option<bool>,
}

/// The driver.
#[derive(Debug)]
pub struct Driver<R> {
    registers: R,
    rings: Rings,
    address: [u8; 6],
    link: Option<bool>,
    /// Whether the card interrupts when a frame has left.
    tells_of_transmits: bool,
    dropped: u64,
}

impl<R: Registers> Driver<R> {
    /// Resets the card, whatever it is doing, and starts it.
    ///
    /// # Errors
    /// It does not come up. It moves nothing then.
    pub fn start(mut registers: R, rings: Rings) -> Result<Self, StartError> {
        reset(&mut registers)?;
        let address = station_address(&mut registers)?;
        let clear = bits::CTRL_LRST | bits::CTRL_PHY_RST | bits::CTRL_ILOS;
        let control = registers.read(Register::CTRL) & !clear;
        registers.write(Register::CTRL, control | bits::CTRL_SLU | bits::CTRL_ASDE);
        for n in 0..bits::MTA_WORDS {
            registers.write(Register::mta(n), 0);
        }
        let first = [Register::RDBAL, Register::RDBAH, Register::RDLEN, Register::RDH];
        place(&mut registers, &rings.receive, first, Register::RDT);
        let first = [Register::TDBAL, Register::TDBAH, Register::TDLEN, Register::TDH];
        place(&mut registers, &rings.transmit, first, Register::TDT);
        registers.write(Register::TIPG, bits::TIPG_COPPER);
        registers.write(Register::TCTL, bits::TCTL_EN | bits::TCTL_PSP | bits::TCTL_COLLISIONS);
        let receive = bits::RCTL_EN | bits::RCTL_UPE | bits::RCTL_MPE | bits::RCTL_BAM;
        registers.write(Register::RCTL, receive | bits::RCTL_SECRC);
        registers.write(Register::ITR, bits::ITR_32_US);
        registers.write(Register::IMS, INTERRUPTS);
        let (link, tells_of_transmits, dropped) = (None, false, 0);
        Ok(Driver { registers, rings, address, link, tells_of_transmits, dropped })
    }

    /// The card's own address.
    pub fn address(&self) -> [u8; 6] {
        self.address
    }

    /// Frames that were not received whole, or are not such as can be sent.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Does what can be done now: to be called when the card interrupts and when
    /// the other end notifies. Moves no more than a ring's worth each way.
    ///
    /// # Errors
    /// The other end broke the protocol. The card is stopped: it moves nothing any
    /// more.
    pub fn serve<const N: usize, M: Flag>(
        &mut self,
        network: &mut Network<N, M>,
    ) -> Result<Turn, Breach> {
        let turn = self.turn(network);
        if turn.is_err() {
            self.stop();
        }
        turn
    }

    fn turn<const N: usize, M: Flag>(
        &mut self,
        network: &mut Network<N, M>,
    ) -> Result<Turn, Breach> {
        // Takes the interrupt back. What comes after this interrupts again.
        self.registers.read(Register::ICR);
        self.transmitted(network);
        self.transmit(network)?;
        // Many cards, and every emulated one, have sent it by now.
        self.transmitted(network);
        self.receive(network);
        self.lend(network)?;
        let transmit = network.transmit.publish()?;
        let receive = network.receive.publish()?;
        self.ask_for_transmits();
        let is_up = self.registers.read(Register::STATUS) & bits::STATUS_LU != 0;
        let link = (self.link.replace(is_up) != Some(is_up)).then_some(is_up);
        Ok(Turn { notify: transmit || receive, link })
    }

    /// Gives buffers back whose frames have left.
    fn transmitted<const N: usize, M: Flag>(&mut self, network: &mut Network<N, M>) {
        while let Some(done) = self.rings.transmit.take() {
            network.transmit.give_back(done.loan, 0);
        }
    }

    /// Hands frames to the card.
    fn transmit<const N: usize, M: Flag>(
        &mut self,
        network: &mut Network<N, M>,
    ) -> Result<(), Breach> {
        let ring = &mut self.rings.transmit;
        let before = ring.tail();
        loop {
            if !ring.has_room() {
                // The card says when there is.
                network.transmit.ignore();
                break;
            }
            let Some(loan) = network.transmit.take()? else {
                match network.transmit.wait()? {
                    Waiting::Asleep => break,
                    Waiting::More => continue,
                }
            };
            let length = loan.length();
            if !(FRAME_MIN..=FRAME_MAX).contains(&length) {
                self.dropped += 1;
                network.transmit.give_back(loan, 0);
                continue;
            }
            let command = bits::SEND | u64::from(length);
            if let Err(loan) = ring.hand(loan, network.transmit_base, command) {
                network.transmit.give_back(loan, 0);
            }
        }
        if ring.tail() != before {
            // Descriptors are written before the card is told of them.
            shmem::fence();
            let tail = ring.tail();
            self.registers.write(Register::TDT, tail);
        }
        Ok(())
    }

    /// Gives buffers back that the card has received into.
    fn receive<const N: usize, M: Flag>(&mut self, network: &mut Network<N, M>) {
        while let Some(done) = self.rings.receive.take() {
            let length = done.received();
            if length.is_none() {
                self.dropped += 1;
            }
            network.receive.give_back(done.loan, length.unwrap_or(0));
        }
    }

    /// Hands empty buffers to the card.
    fn lend<const N: usize, M: Flag>(&mut self, network: &mut Network<N, M>) -> Result<(), Breach> {
        let ring = &mut self.rings.receive;
        let before = ring.tail();
        loop {
            if !ring.has_room() {
                network.receive.ignore();
                break;
            }
            let Some(loan) = network.receive.take()? else {
                match network.receive.wait()? {
                    Waiting::Asleep => break,
                    Waiting::More => continue,
                }
            };
            if let Err(loan) = ring.hand(loan, network.receive_base, 0) {
                network.receive.give_back(loan, 0);
            }
        }
        if ring.tail() != before {
            shmem::fence();
            let tail = ring.tail();
            self.registers.write(Register::RDT, tail);
        }
        Ok(())
    }

    /// Wants to be told of frames that leave as long as there are some that have
    /// not.
    fn ask_for_transmits(&mut self) {
        let wanted = !self.rings.transmit.is_empty();
        if wanted != self.tells_of_transmits {
            let register = if wanted { Register::IMS } else { Register::IMC };
            self.registers.write(register, bits::TXDW);
            self.tells_of_transmits = wanted;
        }
    }

    /// Stops the card.
    fn stop(&mut self) {
        self.registers.write(Register::IMC, u32::MAX);
        self.registers.write(Register::RCTL, 0);
        self.registers.write(Register::TCTL, 0);
        // What is under way ends with a reset. If that fails nothing else helps.
        let _ = reset(&mut self.registers);
    }
}

/// Ends all that the card does, and waits for that.
fn reset<R: Registers>(registers: &mut R) -> Result<(), StartError> {
    registers.write(Register::IMC, u32::MAX);
    registers.write(Register::RCTL, 0);
    registers.write(Register::TCTL, 0);
    let control = registers.read(Register::CTRL);
    registers.write(Register::CTRL, control | bits::CTRL_RST);
    let is_over = |registers: &mut R| {
        let control = registers.read(Register::CTRL);
        // All ones: nobody answers.
        control != u32::MAX && control & bits::CTRL_RST == 0
    };
    if !(0..LOOKS).any(|_| is_over(registers)) {
        return Err(StartError::Reset);
    }
    registers.write(Register::IMC, u32::MAX);
    registers.read(Register::ICR);
    Ok(())
}

/// The card's address, in the first three words of its EEPROM (5.6.1).
///
/// A reset should load it into the card's own register, but Bochs's does not.
fn station_address<R: Registers>(registers: &mut R) -> Result<[u8; 6], StartError> {
    let mut address = [0; 6];
    for (n, pair) in (0..).zip(address.chunks_exact_mut(2)) {
        registers.write(Register::EERD, bits::EERD_START | n << 8);
        let word = (0..LOOKS)
            .map(|_| registers.read(Register::EERD))
            .find(|word| word & bits::EERD_DONE != 0)
            .ok_or(StartError::Address)?;
        pair.copy_from_slice(&((word >> 16) as u16).to_le_bytes());
    }
    // Nothing, or a group's.
    if address == [0; 6] || address[0] & 1 != 0 {
        return Err(StartError::Address);
    }
    let [a, b, c, d, e, f] = address;
    registers.write(Register::RAL0, u32::from_le_bytes([a, b, c, d]));
    registers.write(Register::RAH0, u32::from_le_bytes([e, f, 0, 0]) | bits::RAH_VALID);
    Ok(address)
}

/// Tells the card where a ring is, and that it is empty.
fn place<R: Registers>(
    registers: &mut R,
    ring: &Ring,
    [low, high, length, head]: [Register; 4],
    tail: Register,
) {
    registers.write(low, ring.address);
    registers.write(high, 0);
    registers.write(length, Ring::size());
    registers.write(head, 0);
    registers.write(tail, 0);
}

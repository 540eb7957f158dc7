//! `irq` and `ioport`.

use super::{Context, domain::ID_MAX, element::Element};
use crate::{
    model::{IoPort, Irq, IrqSource, PciAddress, ProtectionDomain, SetVarValue},
    rule::Rule,
    source::At,
};

/// Greatest vector: the kernel's `irq_user_max - irq_user_min`.
const VECTOR_MAX: u8 = 107;

/// One past the last I/O port.
const PORT_TOP: u64 = 0x1_0000;

impl Context<'_> {
    /// Reads an interrupt. Which kind it is follows from its attributes.
    pub(super) fn irq(&mut self, e: Element<'_>, domain: &mut ProtectionDomain) {
        self.no_children(e);
        let id = self.small_number(e, "id", ID_MAX, Rule::ChannelId);
        if let (Some(id), Some(symbol)) = (&id, e.attribute("setvar_id")) {
            self.add_setvar(domain, symbol, SetVarValue::Number(id.value.into()));
        }
        let source = if let Some(irq) = e.attribute("irq") {
            let p = self
                .problem(Rule::IrqArmForm, irq.span, "an interrupt by its number")
                .cure("`irq` is for ARM and RISC-V; write pin=\"...\" vector=\"...\"");
            self.report(p);
            None
        } else if let Some(pin) = e.attribute("pin") {
            self.io_apic(e, pin)
        } else if let Some(device) = e.attribute("pcidev") {
            self.msi(e, device)
        } else {
            let p = self.problem(Rule::IrqForm, e.span(), "an interrupt from nowhere");
            self.report(p);
            None
        };
        let Some((source, vector)) = source else { return };
        let Some(id) = id else { return };
        domain.irqs.push(Irq { span: e.span(), note: e.comment_before(), id, vector, source });
    }

    fn io_apic(&mut self, e: Element<'_>, pin: At<&str>) -> Option<(IrqSource, At<u8>)> {
        self.allow(e, &["id", "setvar_id", "ioapic", "pin", "trigger", "polarity", "vector"]);
        let pin = self.io_apic_number("pin", pin, self.board.ioapic_pins);
        let ioapic = match e.attribute("ioapic") {
            Some(word) => self.io_apic_number("ioapic", word, self.board.ioapics).map(|n| n.value),
            None => Some(0),
        };
        let level = self.choice(e, "trigger", "level", "edge", Rule::IrqTrigger);
        // High is the default, so that low is the one to ask for.
        let active_low = !self.choice(e, "polarity", "high", "low", Rule::IrqPolarity);
        let vector = self.small_number(e, "vector", VECTOR_MAX, Rule::IrqVector);
        Some((IrqSource::IoApic { ioapic: ioapic?, pin: pin?, level, active_low }, vector?))
    }

    /// Reads `ioapic` or `pin`: a number from 0, below what the board has.
    fn io_apic_number(
        &mut self,
        name: &str,
        word: At<&str>,
        limit: Option<u64>,
    ) -> Option<At<u64>> {
        let n = self.plain_number(name, word)?;
        let value = u64::try_from(n.value).ok().filter(|&v| limit.is_none_or(|l| v < l));
        if value.is_none() {
            let mut p =
                self.problem(Rule::IrqPin, n.span.clone(), format!("`{name}` is {}", n.value));
            if let Some(limit) = limit {
                p = p.cure(format!("board {} has `{name}` 0 to {}", self.board.name, limit - 1));
            }
            self.report(p);
        }
        Some(At::new(value?, n.span))
    }

    /// Reads one of two words; the first is the default, and counts as true.
    fn choice(&mut self, e: Element<'_>, name: &str, yes: &str, no: &str, rule: Rule) -> bool {
        let Some(word) = e.attribute(name) else { return true };
        if word.value != yes && word.value != no {
            let message = format!("`{name}` is `{}`", word.value);
            self.report(self.problem(rule, word.span, message));
        }
        word.value != no
    }

    fn msi(&mut self, e: Element<'_>, device: At<&str>) -> Option<(IrqSource, At<u8>)> {
        self.allow(e, &["id", "setvar_id", "pcidev", "handle", "vector"]);
        let support = self.board.msi;
        self.board_support(e.span(), "a message-signalled interrupt (MSI)", support);
        let device = self.pci_address(device);
        let handle = self.required(e, "handle").and_then(|w| self.plain_number("handle", w));
        let handle = handle.and_then(|n| match u64::try_from(n.value) {
            Ok(handle) => Some(handle),
            Err(_) => {
                let message = format!("`handle` is {}", n.value);
                self.report(self.problem(Rule::MsiHandle, n.span, message));
                None
            }
        });
        let vector = self.small_number(e, "vector", VECTOR_MAX, Rule::IrqVector);
        Some((IrqSource::Msi { device: device?, handle: handle? }, vector?))
    }

    pub(super) fn pci_address(&mut self, word: At<&str>) -> Option<At<PciAddress>> {
        let part = |text: &str, most: u8| {
            let n = u8::from_str_radix(text.trim(), 16).ok()?;
            (n <= most).then_some(n)
        };
        let parsed = word.value.split_once(':').and_then(|(bus, rest)| {
            let (device, function) = rest.split_once('.')?;
            Some(PciAddress {
                bus: part(bus, 0xff)?,
                device: part(device, 0x1f)?,
                function: part(function, 7)?,
            })
        });
        if parsed.is_none() {
            let message = format!("`{}` is no PCI address", word.value);
            self.report(self.problem(Rule::PciAddress, word.span.clone(), message));
        }
        Some(At::new(parsed?, word.span))
    }

    /// Reads a range of I/O ports, and the variables it sets.
    pub(super) fn io_port(&mut self, e: Element<'_>, domain: &mut ProtectionDomain) {
        self.allow(e, &["id", "setvar_id", "setvar_addr", "addr", "size"]);
        self.no_children(e);
        let id = self.small_number(e, "id", ID_MAX, Rule::IoportId);
        if let (Some(id), Some(symbol)) = (&id, e.attribute("setvar_id")) {
            self.add_setvar(domain, symbol, SetVarValue::Number(id.value.into()));
        }
        let base = self.required_number(e, "addr");
        if let (Some(base), Some(symbol)) = (&base, e.attribute("setvar_addr")) {
            self.add_setvar(domain, symbol, SetVarValue::Number(base.value));
        }
        let size = self.required(e, "size").and_then(|w| self.plain_number("size", w));
        let (Some(id), Some(base), Some(size)) = (id, base, size) else { return };
        if size.value <= 0 {
            let message = format!("{} ports", size.value);
            self.report(self.problem(Rule::IoportSize, size.span, message));
            return;
        }
        let ports = size.value.unsigned_abs();
        let (Ok(first), Ok(count)) = (u16::try_from(base.value), u32::try_from(ports)) else {
            self.port_range(base, ports);
            return;
        };
        if base.value.saturating_add(ports) > PORT_TOP {
            self.port_range(base, ports);
            return;
        }
        let base = At::new(first, base.span);
        let note = e.comment_before();
        domain.io_ports.push(IoPort { span: e.span(), note, id, base, size: count });
    }

    fn port_range(&mut self, base: At<u64>, ports: u64) {
        let message = format!("{ports} ports from {:#x}", base.value);
        let p = self
            .problem(Rule::IoportRange, base.span, message)
            .cure("`addr` and `size` together are at most 0x10000");
        self.report(p);
    }
}

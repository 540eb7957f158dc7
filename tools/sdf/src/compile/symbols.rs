//! Variables of a program that are set in its image: the Microkit's own, and
//! those that the description names.

use super::{
    Compiler,
    program::{Program, Symbol, Symbols},
};
use crate::{
    model::{Prefill, ProtectionDomain, SetVarValue},
    parse::nearest,
    rule::Rule,
    source::At,
};

/// Size of a word, which every variable that a description sets has.
const WORD: u64 = 8;

impl Compiler<'_> {
    pub(super) fn set_variables(
        &mut self,
        d: &ProtectionDomain,
        symbols: &Symbols,
        program: &mut Program,
    ) {
        self.runtime_variables(d, symbols, program);
        for v in &d.setvars {
            let Some(address) = self.variable(d, symbols, &v.symbol) else { continue };
            let value = match v.value {
                SetVarValue::Number(n) => Some(n),
                SetVarValue::RegionSize(r) => self.region_of(r).bytes(),
                SetVarValue::PrefillSize(r) => match &self.region_of(r).prefill {
                    Some(Prefill::File { length, .. }) => *length,
                    Some(Prefill::Bootinfo(_)) | None => None,
                },
                SetVarValue::RegionPhysAddr(r) => {
                    self.region_of(r).phys_addr.as_ref().map(|p| p.value)
                }
            };
            // A region without a size is an error of its own: its file is missing.
            let Some(value) = value else { continue };
            if program.write(address, &value.to_le_bytes()).is_none() {
                let message = format!(
                    "`{}` of `{}` lies outside its segments",
                    v.symbol.value, d.program.path.value
                );
                self.report(Rule::SymbolSize, &v.symbol.span, message);
            }
        }
    }

    /// Finds a variable that the description sets.
    fn variable(
        &mut self,
        d: &ProtectionDomain,
        symbols: &Symbols,
        name: &At<String>,
    ) -> Option<u64> {
        let program = &d.program.path.value;
        let symbol = &name.value;
        match symbols.get(symbol) {
            Some(Symbol::One { address, size: WORD }) => Some(address),
            Some(Symbol::One { size, .. }) => {
                let message = format!("`{symbol}` of `{program}` has {size} bytes");
                self.report_with(Rule::SymbolSize, &name.span, message, |p| {
                    p.cure("declare it as a 64-bit integer or pointer")
                });
                None
            }
            Some(Symbol::Several) => {
                let message = format!("`{program}` has several symbols `{symbol}`");
                self.report(Rule::SymbolAmbiguous, &name.span, message);
                None
            }
            None => {
                let names: Vec<&str> = symbols.names().collect();
                let near = nearest(symbol, &names).map(|n| format!("did you mean `{n}`?"));
                let message = format!("`{program}` has no symbol `{symbol}`");
                self.report_with(Rule::SymbolMissing, &name.span, message, |p| match near {
                    Some(near) => p.cure(near),
                    None => p.cure("declare the variable, or remove it from the description"),
                });
                None
            }
        }
    }

    /// Sets what the Microkit's runtime reads, as the Microkit's tool does.
    fn runtime_variables(
        &mut self,
        d: &ProtectionDomain,
        symbols: &Symbols,
        program: &mut Program,
    ) {
        let bits = |ids: &mut dyn Iterator<Item = u8>| {
            ids.fold(0_u64, |bits, id| bits | 1_u64.checked_shl(id.into()).unwrap_or(0))
                .to_le_bytes()
        };
        let own = |notify: bool| {
            let ends = self.system.channels.iter().flat_map(|c| &c.ends);
            let mine = ends.filter(|e| self.system.domain(e.pd).name == d.name);
            bits(&mut mine.filter(|e| if notify { e.notify } else { e.pp }).map(|e| e.id.value))
        };
        let (notifications, calls) = (own(true), own(false));
        let irqs = bits(&mut d.irqs.iter().map(|i| i.id.value));
        let ports = bits(&mut d.io_ports.iter().map(|p| p.id.value));
        let passive = [u8::from(d.passive)];
        let values: [(&str, &[u8]); 6] = [
            ("microkit_name", d.name.value.as_bytes()),
            ("microkit_passive", &passive),
            ("microkit_irqs", &irqs),
            ("microkit_notifications", &notifications),
            ("microkit_pps", &calls),
            ("microkit_ioports", &ports),
        ];
        for (name, value) in values {
            let done = match symbols.get(name) {
                Some(Symbol::One { address, size }) if value.len() as u64 <= size => {
                    program.write(address, value)
                }
                Some(_) | None => None,
            };
            if done.is_none() {
                let path = &d.program.path;
                let message = format!("`{}` has no `{name}` that fits", path.value);
                self.report_with(Rule::RuntimeSymbol, &path.span, message, |p| {
                    p.cure("link it with sel4-microkit (or libmicrokit), and keep its symbols")
                });
            }
        }
    }
}

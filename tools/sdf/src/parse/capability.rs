//! `cspace` and the capabilities inside it.

use super::{Context, element::Element};
use crate::{
    model::{CapKind, CapMap},
    rule::Rule,
    source::At,
};

/// One past the greatest slot: the Microkit's CAP_MAP_MAX_SLOT. Slot 0 holds
/// the Microkit's own CNode.
const SLOT_TOP: u64 = 128;

impl Context<'_> {
    /// Reads the capabilities that a protection domain is given besides.
    pub(super) fn cspace(&mut self, e: Element<'_>) -> Vec<CapMap> {
        self.allow(e, &[]);
        let mut caps: Vec<CapMap> = Vec::new();
        for c in e.children() {
            let kind = match c.name() {
                "cap_tcb" => CapKind::Tcb,
                "cap_sc" => CapKind::SchedulingContext,
                "cap_vspace" => CapKind::VSpace,
                other => {
                    let message = format!("unknown capability `{other}`");
                    self.report(self.problem(Rule::CapKind, c.span(), message));
                    continue;
                }
            };
            let support = self.board.user_caps;
            self.board_support(c.span(), &format!("`{}`", c.name()), support);
            let Some(cap) = self.cap(c, kind) else { continue };
            if let Some(first) = caps.iter().find(|f| f.slot.value == cap.slot.value) {
                let message = format!("two capabilities in slot {}", cap.slot.value);
                let p = self
                    .problem(Rule::CapSlotUnique, cap.slot.span.clone(), message)
                    .also(&first.slot.span, "the first is here");
                self.report(p);
            }
            caps.push(cap);
        }
        caps
    }

    fn cap(&mut self, e: Element<'_>, kind: CapKind) -> Option<CapMap> {
        self.allow(e, &["slot", "pd"]);
        self.no_children(e);
        let name = self.required(e, "pd");
        let pd = name.and_then(|name| {
            let pd = self.domains.get(name.value).copied();
            if pd.is_none() {
                let message = format!("no protection domain is called `{}`", name.value);
                self.report(self.problem(Rule::CapPd, name.span, message));
            }
            pd
        });
        let slot = self.required_number(e, "slot")?;
        match u8::try_from(slot.value) {
            Ok(value) if (1..SLOT_TOP).contains(&slot.value) => {
                Some(CapMap { span: e.span(), kind, pd: pd?, slot: At::new(value, slot.span) })
            }
            _ => {
                let message = format!("slot {}", slot.value);
                self.report(self.problem(Rule::CapSlot, slot.span, message));
                None
            }
        }
    }
}

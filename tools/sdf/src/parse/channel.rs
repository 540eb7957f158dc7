//! `channel` and its ends.

use super::{
    Context,
    domain::ID_MAX,
    element::{Element, nearest},
    map::sorted,
};
use crate::{
    check::DraftDomain,
    model::{Channel, End, SetVarValue},
    rule::Rule,
};

impl Context<'_> {
    /// Reads a channel, and the variables that its ends set.
    pub(super) fn channel(
        &mut self,
        e: Element<'_>,
        domains: &mut [DraftDomain],
    ) -> Option<Channel> {
        self.allow(e, &[]);
        let mut count = 0_usize;
        let mut ends = Vec::new();
        for c in e.children() {
            if c.name() == "end" {
                count += 1;
                ends.extend(self.end(c, domains));
            } else {
                self.unknown_element(e, c, &["end"]);
            }
        }
        if count != 2 {
            let message = match count {
                0 => "a channel without ends".to_owned(),
                1 => "a channel with one end".to_owned(),
                n => format!("a channel with {n} ends"),
            };
            self.report(self.problem(Rule::ChannelEnds, e.span(), message));
            return None;
        }
        let ends: [End; 2] = ends.try_into().ok()?;
        if ends.iter().all(|end| end.pp) {
            let p = self
                .problem(Rule::PpcOneWay, ends[1].span.clone(), "both ends call")
                .also(&ends[0].span, "the other")
                .cure("remove pp=\"true\" from the end of the domain with the higher priority");
            self.report(p);
        }
        Some(Channel { span: e.span(), note: e.comment_before(), ends })
    }

    fn end(&mut self, e: Element<'_>, domains: &mut [DraftDomain]) -> Option<End> {
        self.allow(e, &["pd", "id", "pp", "notify", "setvar_id"]);
        self.no_children(e);
        let name = self.required(e, "pd");
        let id = self.small_number(e, "id", ID_MAX, Rule::ChannelId);
        let notify = self.boolean(e, "notify", true);
        let pp = self.boolean(e, "pp", false);
        let name = name?;
        let Some(pd) = self.domains.get(name.value).copied() else {
            let names: Vec<&str> = self.domains.keys().map(String::as_str).collect();
            let message = format!("no protection domain is called `{}`", name.value);
            let mut p = self.problem(Rule::ChannelPd, name.span, message);
            if let Some(near) = nearest(name.value, &sorted(names)) {
                p = p.cure(format!("did you mean `{near}`?"));
            }
            self.report(p);
            return None;
        };
        let id = id?;
        if let (Some(symbol), Some(draft)) =
            (e.attribute("setvar_id"), domains.get_mut(usize::from(pd.0)))
        {
            self.add_setvar(&mut draft.domain, symbol, SetVarValue::Number(id.value.into()));
        }
        Some(End { span: e.span(), pd, id, notify, pp })
    }
}

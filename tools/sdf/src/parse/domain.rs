//! `protection_domain`, `program_image`, `setvar` and `virtual_machine`.

use super::{Context, PDS_MAX, element::Element, schedule::SchedulingDomains};
use crate::{
    board::Support,
    check::DraftDomain,
    model::{Program, ProtectionDomain, SetVar, SetVarValue, VirtualMachine, pd_index},
    rule::Rule,
    source::{At, Span},
};

/// Longest name, in bytes: the Microkit's PD_MAX_NAME_LENGTH without the
/// closing zero.
const NAME_MAX: usize = 63;

/// Greatest priority; 255 is the monitor's.
const PRIORITY_MAX: u64 = 254;

/// Microseconds: the Microkit's BUDGET_DEFAULT.
const BUDGET_DEFAULT: u64 = 1000;

/// In bytes: the Microkit's PD_DEFAULT_STACK_SIZE.
const STACK_DEFAULT: u64 = 0x2000;
const STACK_MIN: u64 = 0x1000;
const STACK_MAX: u64 = 16 << 20;

/// Greatest number of a channel, child, virtual CPU or port range: the badge
/// has 64 bits, of which two mark calls and faults.
pub(super) const ID_MAX: u8 = 61;

const ATTRIBUTES: &[&str] = &[
    "name",
    "priority",
    "budget",
    "period",
    "passive",
    "stack_size",
    "smc",
    "cpu",
    "domain",
    "fpu",
];
const CHILD_ATTRIBUTES: &[&str] = &[
    "name",
    "priority",
    "budget",
    "period",
    "passive",
    "stack_size",
    "smc",
    "cpu",
    "domain",
    "fpu",
    "id",
    "setvar_id",
];

const CHILDREN: &[&str] = &[
    "program_image",
    "map",
    "irq",
    "ioport",
    "setvar",
    "protection_domain",
    "virtual_machine",
    "cspace",
];

impl Context<'_> {
    /// Reads a protection domain and those inside it, in this order. Returns
    /// its number among its parent's children, and where that is written.
    pub(super) fn protection_domain(
        &mut self,
        e: Element<'_>,
        parent: Option<usize>,
        scheduling: Option<&SchedulingDomains>,
        out: &mut Vec<DraftDomain>,
    ) -> Option<At<u8>> {
        let before = self.problems.len();
        let (mut domain, id) = self.header(e, parent, scheduling);
        let sound = self.problems.len() == before;
        let index = out.len();
        out.push(DraftDomain { domain: domain.clone(), sound });

        let mut program: Option<(Program, Span)> = None;
        let mut machine: Option<VirtualMachine> = None;
        let mut cspace = None;
        let mut children: Vec<At<u8>> = Vec::new();
        for c in e.children() {
            match c.name() {
                "program_image" => {
                    if !self.repeated(c, program.as_ref().map(|(_, at)| at)) {
                        program = Some((self.program(c), c.span()));
                    }
                }
                "map" => self.domain_map(c, &mut domain),
                "irq" => self.irq(c, &mut domain),
                "ioport" => self.io_port(c, &mut domain),
                "setvar" => self.setvar(c, &mut domain),
                "protection_domain" => {
                    if self.depth(index, out) >= PDS_MAX {
                        let p = self.problem(
                            Rule::PdCount,
                            c.span(),
                            "protection domains nest too deep",
                        );
                        self.report(p);
                        continue;
                    }
                    let id = self.protection_domain(c, Some(index), scheduling, out);
                    self.child(c, id, &mut children, &mut domain);
                }
                "virtual_machine" => {
                    if !self.repeated(c, machine.as_ref().map(|m| &m.span)) {
                        machine = Some(self.virtual_machine(c, &mut domain));
                    }
                }
                "cspace" => {
                    if !self.repeated(c, cspace.as_ref()) {
                        domain.caps = self.cspace(c);
                        cspace = Some(c.span());
                    }
                }
                _ => self.unknown_element(e, c, CHILDREN),
            }
        }
        match program {
            Some((program, _)) => domain.program = program,
            None => {
                let p = self
                    .problem(
                        Rule::MissingElement,
                        e.span(),
                        "a protection domain without a program",
                    )
                    .cure("put <program_image path=\"...\" /> inside it");
                self.report(p);
            }
        }
        if let Some(machine) = machine {
            if let Some(child) = children.iter().find(|c| c.value == machine.vcpu.value) {
                let message = format!("child and virtual CPU both have the number {}", child.value);
                let p = self
                    .problem(Rule::ChildIdUnique, child.span.clone(), message)
                    .also(&machine.vcpu.span, "the virtual CPU");
                self.report(p);
            }
            domain.machine = Some(machine);
        }
        out[index].domain = domain;
        id
    }

    /// How many domains a domain stands inside of.
    fn depth(&self, index: usize, domains: &[DraftDomain]) -> usize {
        std::iter::successors(Some(index), |&i| {
            domains[i].domain.parent.map(|(p, _)| usize::from(p.0))
        })
        .count()
    }

    /// Reads the attributes of a protection domain.
    fn header(
        &mut self,
        e: Element<'_>,
        parent: Option<usize>,
        scheduling: Option<&SchedulingDomains>,
    ) -> (ProtectionDomain, Option<At<u8>>) {
        self.allow(e, if parent.is_some() { CHILD_ATTRIBUTES } else { ATTRIBUTES });
        let name = self.pd_name(e);
        let id = parent.and_then(|_| self.child_id(e));
        let budget = self.number_or(e, "budget", BUDGET_DEFAULT);
        let period = self.number_or(e, "period", budget.unwrap_or(BUDGET_DEFAULT));
        if let (Some(b), Some(p)) = (budget, period)
            && b > p
        {
            let at = e.attribute("budget").or(e.attribute("period")).map_or(e.span(), |a| a.span);
            let message = format!("a budget of {b} in a period of {p} microseconds");
            let mut problem = self.problem(Rule::BudgetWithinPeriod, at, message);
            if e.attribute("budget").is_none() {
                problem = problem.cure(format!("a budget that is not written is {BUDGET_DEFAULT}"));
            }
            self.report(problem);
        }
        let smc = self.boolean(e, "smc", false);
        if smc {
            let at = e.attribute("smc").map_or(e.span(), |a| a.span);
            let p = self.problem(Rule::SmcArmOnly, at, "`smc` on x86-64").cure("remove it");
            self.report(p);
        }
        let passive = self.boolean(e, "passive", false);
        let fpu = self.boolean(e, "fpu", true);
        let domain = ProtectionDomain {
            span: e.span(),
            note: e.comment_before().or_else(|| e.comment_inside()),
            name,
            priority: self.priority(e),
            budget: budget.unwrap_or(BUDGET_DEFAULT),
            period: period.unwrap_or(BUDGET_DEFAULT),
            passive,
            stack_size: self.stack_size(e),
            cpu: self.cpu(e),
            fpu,
            scheduling_domain: self.scheduling_domain(e, scheduling),
            parent: parent.map(|p| (pd_index(p), id.as_ref().map_or(0, |i| i.value))),
            program: Program { path: At::new(String::new(), e.span()), path_for_symbols: None },
            maps: Vec::new(),
            irqs: Vec::new(),
            io_ports: Vec::new(),
            setvars: Vec::new(),
            machine: None,
            caps: Vec::new(),
        };
        let board = self.board;
        let written =
            |names: &[&'static str]| names.iter().find(|n| e.attribute(n).is_some()).copied();
        if let Some(name) = written(&["budget", "period"]) {
            self.supported(e, name, board.budgets);
        }
        if passive {
            self.supported(e, "passive", board.passive);
        }
        if !fpu {
            self.supported(e, "fpu", board.fpu_denial);
        }
        (domain, id)
    }

    /// Reports an attribute that the board does not act on.
    fn supported(&mut self, e: Element<'_>, name: &str, support: Support) {
        let Some(word) = e.attribute(name) else { return };
        self.board_support(word.span, &format!("`{name}`"), support);
    }

    /// Reports a request that the board does not act on, or refuses.
    pub(super) fn board_support(&mut self, at: Span, what: &str, support: Support) {
        let board = self.board.name;
        let p = match support {
            Support::Full => return,
            Support::NotEnforced(why) => {
                let message = format!("{what} is not enforced on board {board}: {why}");
                if !self.noted.insert(message.clone()) {
                    return;
                }
                self.problem(Rule::NotEnforced, at, message)
            }
            Support::Missing(why) => {
                let message = format!("{what} is not supported on board {board}: {why}");
                self.problem(Rule::Unsupported, at, message)
                    .cure("remove it, or build for a board that has it (x86_64_generic_vtx)")
            }
        };
        self.report(p);
    }

    fn pd_name(&mut self, e: Element<'_>) -> At<String> {
        let Some(name) = self.required(e, "name") else {
            return At::new(String::new(), e.span());
        };
        let good = !name.value.is_empty()
            && name.value.len() <= NAME_MAX
            && name.value.bytes().all(|b| b.is_ascii_graphic());
        if !good {
            let p = self
                .problem(Rule::PdName, name.span.clone(), "a name that cannot be reported")
                .cure("names stand in status lines, between spaces");
            self.report(p);
        } else if name.value == "monitor" {
            let p = self.problem(Rule::PdNameReserved, name.span.clone(), "a name that is taken");
            self.report(p);
        }
        name.map(Into::into)
    }

    fn child_id(&mut self, e: Element<'_>) -> Option<At<u8>> {
        let id = self.required_number(e, "id")?;
        match u8::try_from(id.value) {
            Ok(value) if value <= ID_MAX => Some(At::new(value, id.span)),
            _ => {
                let message = format!("`id` of a child is {}", id.value);
                self.report(self.problem(Rule::ChildId, id.span, message));
                None
            }
        }
    }

    /// Notes a child's number, and the parent's variable that is set to it.
    fn child(
        &mut self,
        e: Element<'_>,
        id: Option<At<u8>>,
        children: &mut Vec<At<u8>>,
        parent: &mut ProtectionDomain,
    ) {
        let Some(id) = id else { return };
        if let Some(first) = children.iter().find(|c| c.value == id.value) {
            let message = format!("two children with the number {}", id.value);
            let p = self
                .problem(Rule::ChildIdUnique, id.span.clone(), message)
                .also(&first.span, "the first is here");
            self.report(p);
        }
        if let Some(symbol) = e.attribute("setvar_id") {
            self.add_setvar(parent, symbol, SetVarValue::Number(id.value.into()));
        }
        children.push(id);
    }

    fn priority(&mut self, e: Element<'_>) -> At<u8> {
        let zero = At::new(0, e.span());
        let Some(word) = e.attribute("priority") else { return zero };
        let Some(n) = self.number("priority", word) else { return zero };
        match u8::try_from(n.value) {
            Ok(value) if n.value <= PRIORITY_MAX => At::new(value, n.span),
            _ => {
                let message = format!("a priority of {}", n.value);
                self.report(self.problem(Rule::Priority, n.span, message));
                zero
            }
        }
    }

    fn stack_size(&mut self, e: Element<'_>) -> u64 {
        let Some(word) = e.attribute("stack_size") else { return STACK_DEFAULT };
        let Some(n) = self.number("stack_size", word) else { return STACK_DEFAULT };
        if (STACK_MIN..=STACK_MAX).contains(&n.value) && n.value.is_multiple_of(STACK_MIN) {
            return n.value;
        }
        let nearest = n.value.clamp(STACK_MIN, STACK_MAX).next_multiple_of(STACK_MIN);
        let p = self
            .problem(Rule::StackSize, n.span, format!("a stack of {:#x} bytes", n.value))
            .cure(format!("write stack_size=\"{nearest:#x}\""));
        self.report(p);
        STACK_DEFAULT
    }

    pub(super) fn cpu(&mut self, e: Element<'_>) -> u8 {
        let Some(word) = e.attribute("cpu") else { return 0 };
        let Some(n) = self.number("cpu", word) else { return 0 };
        match u8::try_from(n.value) {
            Ok(cpu) if cpu < self.board.cores => cpu,
            _ => {
                let (board, cores) = (self.board.name, self.board.cores);
                let message = format!("processor {} of {cores} on board {board}", n.value);
                let p = self.problem(Rule::Cpu, n.span, message).cure("processors count from 0");
                self.report(p);
                0
            }
        }
    }

    fn program(&mut self, e: Element<'_>) -> Program {
        self.allow(e, &["path", "path_for_symbols"]);
        self.no_children(e);
        let path = self.required(e, "path").unwrap_or(At::new("", e.span()));
        Program {
            path: path.map(Into::into),
            path_for_symbols: e.attribute("path_for_symbols").map(|p| p.map(Into::into)),
        }
    }

    fn setvar(&mut self, e: Element<'_>, domain: &mut ProtectionDomain) {
        self.allow(e, &["symbol", "region_paddr"]);
        self.no_children(e);
        let symbol = self.required(e, "symbol");
        let Some(region) = self.required(e, "region_paddr") else { return };
        let Some(index) = self.known_region(&region, Rule::SetvarRegion) else { return };
        if let Some(symbol) = symbol {
            self.add_setvar(domain, symbol, SetVarValue::RegionPhysAddr(index));
        }
    }

    /// Notes a variable to set, unless it is set already.
    pub(super) fn add_setvar(
        &mut self,
        domain: &mut ProtectionDomain,
        symbol: At<&str>,
        value: SetVarValue,
    ) {
        if let Some(first) = domain.setvars.iter().find(|v| v.symbol.value == symbol.value) {
            let message = format!("`{}` of `{}` is set twice", symbol.value, domain.name.value);
            let p = self
                .problem(Rule::SetvarUnique, symbol.span, message)
                .also(&first.symbol.span, "set here already");
            self.report(p);
            return;
        }
        domain.setvars.push(SetVar { symbol: symbol.map(Into::into), value });
    }

    fn virtual_machine(&mut self, e: Element<'_>, vmm: &mut ProtectionDomain) -> VirtualMachine {
        self.allow(e, &["name"]);
        let name = self.required(e, "name").unwrap_or(At::new("", e.span()));
        let mut vcpus: Vec<At<u8>> = Vec::new();
        let mut seen: Option<Span> = None;
        let mut maps = Vec::new();
        for c in e.children() {
            match c.name() {
                "vcpu" => {
                    if let Some(first) = &seen {
                        let p = self
                            .problem(Rule::OneVcpu, c.span(), "a second virtual CPU")
                            .also(first, "the first is here")
                            .cure("remove it: on x86-64 machine and VMM share one thread");
                        self.report(p);
                    }
                    seen = Some(c.span());
                    vcpus.extend(self.vcpu(c, vmm));
                }
                "map" => maps.extend(self.guest_map(c)),
                _ => self.unknown_element(e, c, &["vcpu", "map"]),
            }
        }
        if seen.is_none() {
            let p = self
                .problem(Rule::MissingElement, e.span(), "a virtual machine without a virtual CPU")
                .cure("put <vcpu id=\"0\" /> inside it");
            self.report(p);
        }
        VirtualMachine {
            span: e.span(),
            note: e.comment_before().or_else(|| e.comment_inside()),
            name: name.map(Into::into),
            vcpu: vcpus.into_iter().next().unwrap_or(At::new(0, e.span())),
            maps,
        }
    }

    fn vcpu(&mut self, e: Element<'_>, vmm: &mut ProtectionDomain) -> Option<At<u8>> {
        self.allow(e, &["id", "setvar_id", "cpu"]);
        self.no_children(e);
        self.cpu(e);
        let id = self.small_number(e, "id", ID_MAX, Rule::VcpuId)?;
        if let Some(symbol) = e.attribute("setvar_id") {
            let p = self
                .problem(Rule::VcpuSetvar, symbol.span.clone(), "`setvar_id` of a virtual CPU")
                .cure("let the VMM know the number by itself");
            self.report(p);
            self.add_setvar(vmm, symbol, SetVarValue::Number(id.value.into()));
        }
        Some(id)
    }
}

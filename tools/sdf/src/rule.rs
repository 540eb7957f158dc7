//! Every rule that a description is held to, by name and in a sentence.

/// How much a breach matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// The description is refused.
    Error,
    /// The description is obeyed, though perhaps not as meant.
    Warning,
    /// Nothing is wrong with the description; its board does less than others.
    Note,
}

macro_rules! rules {
    ($($variant:ident $code:ident $weight:ident $statement:literal;)*) => {
        /// A rule. Tests are named after them: `tests/rules/NAME.system`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Rule {
            $(#[doc = $statement] $variant,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant),*];

            /// Its name, as errors and tests call it.
            pub const fn code(self) -> &'static str {
                match self { $(Rule::$variant => stringify!($code),)* }
            }

            /// What it says.
            pub const fn statement(self) -> &'static str {
                match self { $(Rule::$variant => $statement,)* }
            }

            /// How much a breach matters.
            pub const fn weight(self) -> Weight {
                match self { $(Rule::$variant => Weight::$weight,)* }
            }
        }
    };
}

rules! {
    // The document.
    DocumentSize document_size Error "a description is at most 1 MiB";
    WellFormed well_formed Error "a description is well-formed XML";
    RootElement root_element Error "the outermost element is `system`";
    UnknownElement unknown_element Error "the format has no such element here";
    UnknownAttribute unknown_attribute Error "the format has no such attribute here";
    MissingAttribute missing_attribute Error "this element needs the attribute";
    MissingElement missing_element Error "this element needs another one inside it";
    RepeatedElement repeated_element Error "this element may stand here only once";
    StrayText stray_text Error "a description has elements and comments, but no text";
    Number number Error "a number is decimal, or hexadecimal after 0x, and below 2^64";
    PlainNumber plain_number Error "the Microkit reads this number in plain decimal only";
    Boolean boolean Error "a yes-or-no attribute is `true` or `false`";
    SystemAttribute system_attribute Warning "`system` has no attributes; the Microkit ignores them";

    // Protection domains.
    PdCount pd_count Error "a system has protection domains, as many as its board has room for";
    PdName pd_name Error "a protection domain's name is 1 to 63 printable ASCII characters without spaces";
    PdNameReserved pd_name_reserved Error "the name `monitor` belongs to the Microkit's monitor";
    PdNameUnique pd_name_unique Error "each protection domain has a name of its own";
    Priority priority Error "a priority is 0 to 254";
    BudgetWithinPeriod budget_within_period Error "a budget is not greater than its period";
    StackSize stack_size Error "a stack is 4 KiB to 16 MiB, in whole pages of 4 KiB";
    Cpu cpu Error "a processor is one that this board's kernel runs on";
    SmcArmOnly smc_arm_only Error "secure monitor calls exist on ARM only";
    ChildId child_id Error "a child's number is 0 to 61";
    ChildIdUnique child_id_unique Error "the children and the virtual CPU of a protection domain have different numbers";
    VmmWithoutChildren vmm_without_children Error "on x86-64 a protection domain that runs a guest has no children";
    SetvarUnique setvar_unique Error "each variable of a program is set once";
    SetvarRegion setvar_region Error "`region_paddr` names a memory region of this description";
    SetvarPhysAddr setvar_phys_addr Error "on x86-64 only a region with a `phys_addr` has a known physical address";

    // Memory regions and maps.
    RegionCount region_count Error "a system has no more memory regions than its board has room for";
    RegionNameUnique region_name_unique Error "each memory region has a name of its own";
    RegionSize region_size Error "a region's size is a whole number of its pages, and not 0";
    RegionSizeMissing region_size_missing Error "a region has a size, or a file to take it from";
    RegionPageSize region_page_size Error "a page is 0x1000 (4 KiB) or 0x200000 (2 MiB)";
    PhysAlignment phys_alignment Error "a physical address is a multiple of the region's page size";
    PhysRange phys_range Error "a region ends below 2^47, where physical addresses end";
    PhysOverlap phys_overlap Error "two regions do not share physical memory";
    PrefillMissing prefill_missing Error "a prefill file is a readable file in one of the search paths";
    PrefillEmpty prefill_empty Error "a prefill file is not empty";
    PrefillSize prefill_size Error "a prefill file fits into its region";
    PrefillOneSource prefill_one_source Error "a region is prefilled from a file or from boot information, not both";
    BootinfoKind bootinfo_kind Error "boot information has one of the names that the Microkit knows";
    UnusedRegion unused_region Warning "a region that nobody maps only takes memory";
    MapRegion map_region Error "a map names a memory region of this description";
    MapAlignment map_alignment Error "an address of a map is a multiple of the region's page size";
    MapRange map_range Error "a map lies inside its address space";
    MapOverlap map_overlap Error "maps of one address space do not overlap";
    MapPerms map_perms Error "rights are a combination of `r`, `w` and `x`";
    MapWriteOnly map_write_only Error "memory that can be written can be read";
    MapUseless map_useless Warning "on x86-64 a mapping without `r` gives no access at all";
    PrefillSizeOfNothing prefill_size_of_nothing Error "`setvar_prefill_size` needs a region with a `prefill_path`";

    // Interrupts and ports.
    ChannelId channel_id Error "a channel's number is 0 to 61";
    ChannelIdUnique channel_id_unique Error "the channels and interrupts of a protection domain have different numbers";
    IrqArmForm irq_arm_form Error "on x86-64 an interrupt has a `pin` or a `pcidev`, not an `irq`";
    IrqForm irq_form Error "an interrupt has a `pin` (I/O APIC) or a `pcidev` (MSI)";
    IrqTrigger irq_trigger Error "a trigger is `level` or `edge`";
    IrqPolarity irq_polarity Error "a polarity is `low` or `high`";
    IrqVector irq_vector Error "a vector is 0 to 107";
    IrqVectorUnique irq_vector_unique Error "each interrupt has a vector of its own";
    IrqPin irq_pin Error "an interrupt line is an input of one of the board's I/O APICs";
    IrqPinUnique irq_pin_unique Error "an input of an I/O APIC belongs to one protection domain";
    PciAddress pci_address Error "a PCI address is BUS:DEVICE.FUNCTION in hexadecimal, 0:0.0 to ff:1f.7";
    MsiHandle msi_handle Error "a handle is 0 or greater";
    IoportId ioport_id Error "the number of a port range is 0 to 61";
    IoportIdUnique ioport_id_unique Error "the port ranges of a protection domain have different numbers";
    IoportSize ioport_size Error "a port range has at least one port";
    IoportRange ioport_range Error "ports are 0 to 0xffff";
    IoportOverlap ioport_overlap Error "a port belongs to one protection domain";

    // Channels.
    ChannelEnds channel_ends Error "a channel has exactly two ends";
    ChannelPd channel_pd Error "an end names a protection domain of this description";
    PpcOneWay ppc_one_way Error "only one end of a channel may make protected calls";
    PpcPriority ppc_priority Error "a protected call goes to a domain of strictly higher priority";
    PpcToVmm ppc_to_vmm Error "on x86-64 a protection domain that runs a guest cannot be called";

    // Virtual machines.
    VmPlace vm_place Error "a virtual machine stands inside the protection domain that runs it";
    VmNameUnique vm_name_unique Error "each virtual machine has a name of its own";
    OneVcpu one_vcpu Error "on x86-64 a virtual machine has exactly one virtual CPU";
    VcpuId vcpu_id Error "a virtual CPU's number is 0 to 61";
    VcpuSetvar vcpu_setvar Warning "the Microkit's tool of 2.3 does not set this variable";

    // I/O address spaces.
    IoSpaceUnique io_space_unique Error "each I/O address space has a name, a `domain_id` and a device of its own";
    IoAddress io_address Error "an I/O address is below 2^39";
    IoPerms io_perms Error "rights of a device are `r`, `w` or `rw`";
    IoPageSize io_page_size Error "the kernel maps 4 KiB pages only into an I/O address space";

    // Capabilities.
    CapKind cap_kind Error "a capability is `cap_tcb`, `cap_sc` or `cap_vspace`";
    CapSlot cap_slot Error "a capability's slot is 1 to 127";
    CapSlotUnique cap_slot_unique Error "a slot holds one capability";
    CapPd cap_pd Error "a capability is of a protection domain of this description";

    // Domain scheduling.
    DomainUnique domain_unique Error "each scheduling domain has a name and a number of its own";
    DomainId domain_id Error "a scheduling domain's number is one that the board's kernel knows";
    DomainCount domain_count Error "there are no more scheduling domains than the board's kernel knows";
    DomainUnknown domain_unknown Error "a scheduling domain is declared before it is named";
    DomainWithoutSchedule domain_without_schedule Error "a protection domain has a `domain` exactly if `domains` stand before it";
    Duration duration Error "a duration is a number above 0, a space, and `us` or `ticks`";
    ScheduleLength schedule_length Error "a schedule fits into the kernel's";
    ScheduleStart schedule_start Error "a schedule starts at one of its own entries";

    // The board.
    Unsupported unsupported Error "a description asks only for what its board can do";
    NotEnforced not_enforced Note "the board accepts this and does not act on it";
    ReservedPort reserved_port Error "a port that the kernel uses cannot be given away";
    ReservedMemory reserved_memory Error "a page that the kernel uses cannot be given away";
    MemoryBudget memory_budget Error "a system fits into its machine's memory";

    // Programs.
    ProgramMissing program_missing Error "a program image is a readable file in one of the search paths";
    ProgramFormat program_format Error "a program image is a static 64-bit x86-64 ELF executable";
    ProgramSegments program_segments Error "a program's segments lie in user memory, in different pages";
    ProgramEntry program_entry Error "a program starts inside its executable segments";
    ProgramOverlap program_overlap Error "maps lie outside the program";
    ProgramWriteExecute program_write_execute Warning "memory that is executed should not be writable";
    SymbolMissing symbol_missing Error "a variable to set is a symbol of the program";
    SymbolAmbiguous symbol_ambiguous Error "a variable to set has one definition";
    SymbolSize symbol_size Error "a variable to set is a word of 8 bytes inside a segment";
    RuntimeSymbol runtime_symbol Error "a program has the variables of the Microkit's runtime";
    // The configuration beside a description.
    ConfigFile config_file Error "a description with `.config` regions has a configuration beside it";
    ConfigSyntax config_syntax Error "a configuration is well-formed TOML";
    ConfigSection config_section Error "a configuration consists of sections";
    ConfigKind config_kind Error "a section says what kind of protection domain it is for";
    ConfigKey config_key Error "a section has only keys of its kind";
    ConfigValue config_value Error "a section has every key of its kind, with a value of its type and size";
    ConfigText config_text Error "names are printable ASCII without spaces, command lines printable ASCII";
    ConfigRegion config_region Error "each `NAME.config` has a section NAME, and each section is mapped";
    ConfigNames config_names Error "names in a configuration are those of its description";

    PassThrough pass_through Error "a guest's own devices are what its description grants and its configuration names";
    PassThroughDma pass_through_dma Error "a device that can write memory by itself is a guest's own only behind an IOMMU, or by name";

    // Writing.
    PayloadWrite payload_write Error "a boot image can be written, and files do not change while it is";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Rule::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}

//! The cases, by name.

mod ept;
mod fpu;
mod host;
mod ports;
mod removal;
mod state;
mod switching;
mod vmcs;

use crate::{verdict::Verdict, world::World};

/// A case.
pub type Case = fn(&mut World) -> Verdict;

macro_rules! cases {
    ($($module:ident: $($name:ident),+;)+) => {
        /// All of them.
        pub const ALL: &[(&str, Case)] = &[$($((stringify!($name), $module::$name)),+),+];
    };
}

cases! {
    state: registers_r8_to_r15, long_mode, error_code, real_mode, vmenter_registers,
        switched_msr_access, first_entry_fails, guest_keeps_its_place;
    switching: system_call_msrs, cr2, debug_registers, dr7, time_slices,
        turns_of_those_who_wait;
    fpu: fpu_of_threads, fpu_after_deletion, fpu_of_new_guest;
    vmcs: control_allow_lists, activity_state, debugctl, host_wide_instructions, cr8,
        failed_entry, debug_exceptions;
    removal: vcpu_beside_other_objects, vmenter_without_vcpu, vcpu_deleted, vcpu_moved,
        thread_deleted, vcpu_identifiers;
    ept: page_unmapped, frame_copy_deleted, root_deleted, pool_deleted;
    ports: all_ports_closed, port_capability_deleted;
    host: nmi, last_page, tls_base, direction_flag, nested_task_flag, clearing, fault_address;
}

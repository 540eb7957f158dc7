//! Every target.

mod boot;
mod decode;
mod description;
mod devices;
mod domains;
mod emulate;
mod exit;
mod input;
mod machine;
mod queues;
mod virtio;
mod walk;

use crate::Target;

/// All, in the order in which they are shown.
pub static ALL: &[Target] = &[
    exit::TARGET,
    decode::TARGET,
    decode::SHORT,
    emulate::TARGET,
    walk::TARGET,
    devices::uart::TARGET,
    devices::pit::TARGET,
    devices::rtc::TARGET,
    devices::acpi_pm::TARGET,
    devices::i8042::TARGET,
    devices::interrupts::TARGET,
    machine::TARGET,
    boot::TARGET,
    boot::UNPACK,
    description::SDF,
    description::TOML,
    description::SPEC,
    description::CONFIG,
    description::STATUS,
    queues::QUEUE,
    queues::VIRT,
    queues::DRIVER,
    domains::BLOCK,
    domains::NET,
    domains::GPT,
    domains::BLK_VIRT,
    domains::NET_VIRT,
    virtio::chains::TARGET,
    virtio::disk::TARGET,
    virtio::frames::TARGET,
];

/// The target of that name.
pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_can_be_names_of_folders() {
        let names: BTreeSet<_> = ALL.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), ALL.len());
        let plain = |name: &&str| {
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        assert!(names.iter().all(plain), "{names:?}");
    }
}

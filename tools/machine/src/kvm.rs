//! Whether this host's processor can run the machine: Linux's KVM on an Intel
//! processor, with VT-x for the machine itself ("nested").
//!
//! The facts are read once, from files; what they mean is decided by a function
//! that sees nothing else, so that every host can be made up in a test.
//!
//! What surprises: firmware that has VT-x switched off is not told from a
//! processor without it, for Linux hides the flag in both cases.

use std::{
    collections::BTreeSet,
    env, fmt,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use crate::machine::MachineError;

/// What the kernels of both boards want of the processor besides what every one
/// with VT-x and EPT has: VT-x itself, and what the Microkit SDK's kernel is
/// configured with (KernelHugePage, KernelFSGSBase, KernelXSave).
pub(crate) const FEATURES: [&str; 4] = ["vmx", "pdpe1gb", "fsgsbase", "xsave"];

/// What a VMM wants of VT-x, as /proc/cpuinfo puts it, and what for.
const ABILITIES: [&str; 4] = ["ept", "vpid", "unrestricted_guest", "preemption_timer"];

/// Parameters of the module that must be on for the machine to have those.
const PARAMETERS: [&str; 3] = ["nested", "ept", "unrestricted_guest"];

/// Something that the host lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lack {
    /// Another kind of host.
    Linux {
        /// What it is.
        host: String,
    },
    /// A processor by AMD or a licensee of it.
    Intel {
        /// Who made it.
        vendor: String,
    },
    /// The flag `vmx`.
    Vmx {
        /// The host is a virtual machine itself.
        virtual_machine: bool,
    },
    /// Other features of the processor.
    Features(Vec<&'static str>),
    /// Parts of VT-x.
    Abilities(Vec<&'static str>),
    /// The module `kvm_intel`.
    Module,
    /// The device, although the module is there.
    Device,
    /// Permission to use the device.
    Permission {
        /// Whose members may.
        group: Option<String>,
    },
    /// The device does not work.
    Use(String),
    /// A parameter of the module is off.
    Parameter(&'static str),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Linux { host } => write!(f, "this host is {host}, and KVM is part of Linux"),
            Lack::Intel { vendor } => write!(
                f,
                "the processor ({vendor}) has SVM, AMD's virtualisation, instead of Intel's VT-x"
            ),
            Lack::Vmx { virtual_machine: true } => {
                f.write_str("this host is a virtual machine that has no VT-x (no `vmx` in cpuinfo)")
            }
            Lack::Vmx { virtual_machine: false } => f.write_str(
                "the processor has no VT-x, or it is switched off (no `vmx` in cpuinfo)",
            ),
            Lack::Features(names) => write!(f, "the processor lacks {}", names.join(", ")),
            Lack::Abilities(names) => write!(f, "the processor's VT-x lacks {}", names.join(", ")),
            Lack::Module => f.write_str("the module kvm_intel is not loaded"),
            Lack::Device => f.write_str("there is no /dev/kvm"),
            Lack::Permission { .. } => f.write_str("you may not use /dev/kvm"),
            Lack::Use(why) => write!(f, "/dev/kvm cannot be opened ({why})"),
            Lack::Parameter("nested") => f.write_str(
                "KVM gives its machines no VT-x (kvm_intel's parameter `nested` is off)",
            ),
            Lack::Parameter(name) => write!(f, "kvm_intel's parameter `{name}` is off"),
        }
    }
}

impl Lack {
    /// What helps.
    pub fn cure(&self) -> String {
        match self {
            Lack::Linux { .. } => "use Debian for amd64".into(),
            Lack::Intel { .. } => "seL4 has no support for SVM; use an Intel machine".into(),
            Lack::Vmx { virtual_machine: true } => {
                "let the hypervisor below give it nested virtualisation".into()
            }
            Lack::Vmx { virtual_machine: false } => {
                "switch on Intel Virtualization Technology in the firmware's set-up".into()
            }
            Lack::Features(_) | Lack::Abilities(_) => {
                "an Intel Core of the 4th generation (Haswell) or later has them; in a virtual \
                 machine, let the hypervisor below pass them on"
                    .into()
            }
            Lack::Module => "modprobe kvm_intel, as root; if that is refused, its reason is in \
                             dmesg, mostly that the firmware has VT-x switched off"
                .into(),
            Lack::Device => "in a container, start that with --device /dev/kvm".into(),
            Lack::Permission { group: Some(group) } => {
                format!("its group is {group}: as root, usermod -aG {group} YOU, then log in anew")
            }
            Lack::Permission { group: None } => {
                "it belongs to root alone: as root, apt-get install --reinstall udev, or chgrp kvm \
                 /dev/kvm and chmod g+rw /dev/kvm"
                    .into()
            }
            Lack::Use(_) => "what other virtual machine monitor runs on this host?".into(),
            Lack::Parameter(name) => format!(
                "with every virtual machine ended, as root: modprobe -r kvm_intel; modprobe \
                 kvm_intel {name}=1. To keep it: echo options kvm_intel {name}=1 > \
                 /etc/modprobe.d/bulkhead-{name}.conf"
            ),
        }
    }
}

/// What is at /dev/kvm.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Device {
    Usable,
    Absent,
    Denied { group: Option<String> },
    Unusable(String),
}

/// What the host says of itself.
#[derive(Clone, Debug)]
struct Facts {
    /// Architecture and operating system.
    host: (String, String),
    /// /proc/cpuinfo, the first processor: its maker, `flags`, `vmx flags`.
    /// The last are `None` where Linux is too old (before 5.9) to tell.
    vendor: String,
    flags: BTreeSet<String>,
    vmx_flags: Option<BTreeSet<String>>,
    /// kvm_intel is loaded, or built in.
    module: bool,
    /// Which of [`PARAMETERS`] are off.
    off: Vec<&'static str>,
    device: Device,
}

/// Checks that this host can.
pub(crate) fn check() -> Result<(), MachineError> {
    let lacks = Facts::read(Path::new("/")).lacks();
    if lacks.is_empty() { Ok(()) } else { Err(MachineError::Kvm(lacks)) }
}

impl Facts {
    /// Reads them below `root`.
    fn read(root: &Path) -> Facts {
        let cpuinfo = fs::read_to_string(root.join("proc/cpuinfo")).unwrap_or_default();
        let first = cpuinfo.split("\n\n").next().unwrap_or_default();
        let value = |key: &str| {
            let mut lines = first.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
        };
        let words = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect();
        let module = root.join("sys/module/kvm_intel");
        let is_off = |name: &&'static str| {
            let value = fs::read_to_string(module.join("parameters").join(name));
            value.is_ok_and(|value| matches!(value.trim(), "N" | "0"))
        };
        Facts {
            host: (env::consts::ARCH.into(), env::consts::OS.into()),
            vendor: value("vendor_id").unwrap_or_default().into(),
            flags: value("flags").map(words).unwrap_or_default(),
            vmx_flags: value("vmx flags").map(words),
            module: module.is_dir(),
            off: PARAMETERS.into_iter().filter(is_off).collect(),
            device: device(root),
        }
    }

    /// What is missing. What only follows from something else that is missing
    /// is left out.
    fn lacks(&self) -> Vec<Lack> {
        let (architecture, system) = &self.host;
        if (architecture.as_str(), system.as_str()) != ("x86_64", "linux") {
            return vec![Lack::Linux { host: format!("{architecture} {system}") }];
        }
        if self.flags.contains("svm") || matches!(&*self.vendor, "AuthenticAMD" | "HygonGenuine") {
            return vec![Lack::Intel { vendor: self.vendor.clone() }];
        }
        if !self.flags.contains("vmx") {
            let virtual_machine = self.flags.contains("hypervisor");
            return vec![Lack::Vmx { virtual_machine }];
        }
        let mut lacks = Vec::new();
        let missing = |all: &[&'static str], there: &BTreeSet<String>| -> Vec<&'static str> {
            all.iter().copied().filter(|name| !there.contains(*name)).collect()
        };
        let features = missing(&FEATURES, &self.flags);
        if !features.is_empty() {
            lacks.push(Lack::Features(features));
        }
        let abilities = self.vmx_flags.as_ref().map(|flags| missing(&ABILITIES, flags));
        lacks.extend(abilities.filter(|names| !names.is_empty()).map(Lack::Abilities));
        match &self.device {
            Device::Usable => {}
            Device::Absent if self.module => lacks.push(Lack::Device),
            Device::Absent => lacks.push(Lack::Module),
            Device::Denied { group } => lacks.push(Lack::Permission { group: group.clone() }),
            Device::Unusable(why) => lacks.push(Lack::Use(why.clone())),
        }
        lacks.extend(self.off.iter().copied().map(Lack::Parameter));
        lacks
    }
}

/// Tries the device.
fn device(root: &Path) -> Device {
    let path = root.join("dev/kvm");
    match File::options().read(true).write(true).open(&path) {
        Ok(_) => Device::Usable,
        Err(why) => match why.kind() {
            io::ErrorKind::NotFound => Device::Absent,
            io::ErrorKind::PermissionDenied => Device::Denied { group: group(root, &path) },
            _ => Device::Unusable(why.to_string()),
        },
    }
}

/// The group that may use a file, unless that is root's or nobody's.
fn group(root: &Path, path: &Path) -> Option<String> {
    /// Reading and writing by the group.
    const GROUP: u32 = 0o060;
    let metadata = path.metadata().ok()?;
    if metadata.gid() == 0 || metadata.mode() & GROUP != GROUP {
        return None;
    }
    let groups = fs::read_to_string(root.join("etc/group")).ok()?;
    name(&groups, metadata.gid())
}

/// The name that a file like /etc/group has for a number.
fn name(groups: &str, id: u32) -> Option<String> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const INTEL: &str = "\
processor\t: 0
vendor_id\t: GenuineIntel
flags\t\t: fpu vme pae vmx pdpe1gb fsgsbase xsave avx2
vmx flags\t: vnmi preemption_timer invvpid ept_x_only ept_1gb ept vpid unrestricted_guest

processor\t: 1
vendor_id\t: GenuineIntel
flags\t\t: fpu
";

    /// A host that has everything.
    fn host(cpuinfo: &str) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        write(&root, "proc/cpuinfo", cpuinfo);
        for name in PARAMETERS {
            write(&root, &format!("sys/module/kvm_intel/parameters/{name}"), "Y\n");
        }
        write(&root, "dev/kvm", "");
        root
    }

    fn write(root: &TempDir, path: &str, text: &str) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(root: &TempDir, path: &str) {
        let path = root.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    fn lacks(root: &TempDir) -> Vec<Lack> {
        Facts::read(root.path()).lacks()
    }

    #[test]
    fn a_host_that_has_everything_lacks_nothing() {
        assert_eq!(lacks(&host(INTEL)), []);
        // Linux before 5.9 does not tell what VT-x has; QEMU will.
        let old: String =
            INTEL.lines().filter(|l| !l.starts_with("vmx")).map(|l| format!("{l}\n")).collect();
        assert_eq!(lacks(&host(&old)), []);
        // Older kernels show parameters as numbers.
        let root = host(INTEL);
        write(&root, "sys/module/kvm_intel/parameters/nested", "1\n");
        assert_eq!(lacks(&root), []);
    }

    #[test]
    fn a_host_of_another_kind_is_named() {
        let mut facts = Facts::read(host(INTEL).path());
        facts.host = ("aarch64".into(), "linux".into());
        assert_eq!(facts.lacks(), [Lack::Linux { host: "aarch64 linux".into() }]);
        facts.host = ("x86_64".into(), "macos".into());
        assert_eq!(facts.lacks(), [Lack::Linux { host: "x86_64 macos".into() }]);
    }

    #[test]
    fn amds_virtualisation_is_told_from_none() {
        for vendor in ["AuthenticAMD", "HygonGenuine"] {
            let text = INTEL.replace("GenuineIntel", vendor).replace(" vmx ", " svm ");
            let lacks = lacks(&host(&text));
            assert_eq!(lacks, [Lack::Intel { vendor: vendor.into() }]);
            assert!(lacks[0].cure().contains("SVM"));
        }
    }

    #[test]
    fn a_processor_without_vtx_is_told_from_a_virtual_machine_without() {
        let text = INTEL.replace(" vmx ", " ");
        assert_eq!(lacks(&host(&text)), [Lack::Vmx { virtual_machine: false }]);
        let text = INTEL.replace(" vmx ", " hypervisor ");
        assert_eq!(lacks(&host(&text)), [Lack::Vmx { virtual_machine: true }]);
        assert_eq!(lacks(&host("")), [Lack::Vmx { virtual_machine: false }]);
    }

    #[test]
    fn missing_features_are_named() {
        let text = INTEL.replace("pdpe1gb ", "").replace("unrestricted_guest", "");
        let expected =
            [Lack::Features(vec!["pdpe1gb"]), Lack::Abilities(vec!["unrestricted_guest"])];
        assert_eq!(lacks(&host(&text)), expected);
    }

    #[test]
    fn an_absent_device_is_told_from_an_absent_module() {
        let root = host(INTEL);
        remove(&root, "dev/kvm");
        assert_eq!(lacks(&root), [Lack::Device]);
        remove(&root, "sys/module/kvm_intel");
        assert_eq!(lacks(&root), [Lack::Module]);
    }

    #[test]
    fn a_closed_device_names_the_group_that_may() {
        // The superuser may open everything, so this one fact is made up.
        let mut facts = Facts::read(host(INTEL).path());
        for group in [Some("kvm".to_owned()), None] {
            facts.device = Device::Denied { group: group.clone() };
            assert_eq!(facts.lacks(), [Lack::Permission { group }]);
        }
        assert!(Lack::Permission { group: Some("kvm".into()) }.cure().contains("-aG kvm"));
        facts.device = Device::Unusable("device is busy".into());
        assert_eq!(facts.lacks(), [Lack::Use("device is busy".into())]);
        let groups = "root:x:0:\nkvm:x:105:someone\n";
        assert_eq!(name(groups, 105).as_deref(), Some("kvm"));
        assert_eq!(name(groups, 7), None);
        assert_eq!(name("broken", 7), None);
    }

    #[test]
    fn parameters_that_are_off_are_named_with_the_command_that_sets_them() {
        for (name, value) in [("nested", "N\n"), ("nested", "0"), ("unrestricted_guest", "N")] {
            let root = host(INTEL);
            write(&root, &format!("sys/module/kvm_intel/parameters/{name}"), value);
            let lacks = lacks(&root);
            assert_eq!(lacks.len(), 1);
            assert_eq!(lacks[0], Lack::Parameter(name));
            assert!(lacks[0].cure().contains(&format!("modprobe kvm_intel {name}=1")));
        }
    }

    #[test]
    fn everything_that_is_missing_is_told_at_once() {
        let root = host(&INTEL.replace("fsgsbase ", ""));
        write(&root, "sys/module/kvm_intel/parameters/nested", "N\n");
        remove(&root, "dev/kvm");
        let lacks = lacks(&root);
        let expected = [Lack::Features(vec!["fsgsbase"]), Lack::Device, Lack::Parameter("nested")];
        assert_eq!(lacks, expected);
        let said = MachineError::Kvm(lacks).to_string();
        assert_eq!(said.matches("\n- ").count(), 3, "{said}");
    }
}

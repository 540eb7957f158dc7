//! Systems that cannot start: a clear reason, and no domain has run.
//!
//! `tools/sdf` refuses all of these, so their descriptions are made by hand
//! out of one that is good.

use std::{fs, path::PathBuf, time::Duration};

use bulkhead_build::{KERNEL_COMMAND_LINE, Overrides, Profile, Request, Workspace, build_system};
use bulkhead_machine::{Accelerator, Config, Runner, Status};
use bulkhead_progress::Silent;
use bulkhead_sdf::{Board, SearchPath, Source, compile, parse};
use system_spec::{Builder, PdIndex, Region, RegionIndex, Spec, VirtualMachine};
use system_tests::Session;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// What a system that should not have started would say, long before this.
const SILENCE: Duration = Duration::from_secs(1);

/// The parts of a boot image.
struct Parts {
    root_task: Vec<u8>,
    kernel: PathBuf,
    spec: Vec<u8>,
    payload: Vec<u8>,
}

impl Parts {
    fn new() -> Self {
        let workspace = Workspace::find().expect("tests run in the checkout");
        let description = workspace.root.join("tools/system-tests/systems/start.system");
        let built = build_system(Request {
            workspace: &workspace,
            description: Some(&description),
            platform: Profile::Release.into(),
            overrides: Overrides::default(),
            bill: false,
            progress: &Silent,
        })
        .unwrap_or_else(|report| panic!("{report:?}"));
        let source = Source::read(&description).expect("the description can be read");
        let files = SearchPath::new([built.domains.clone()]);
        let system = parse(&source, &Board::bochs(), &files).expect("it is good").system;
        let mut payload = Vec::new();
        let compiled = compile(&system, &files, &mut payload).expect("it compiles");
        Parts {
            root_task: fs::read(built.domains.join("root_task.elf")).expect("it is built"),
            kernel: built.kernel.with_file_name("kernel32.elf"),
            spec: compiled.spec,
            payload,
        }
    }

    /// The same, with another description.
    fn with(&self, change: impl FnOnce(&mut Builder<'_>)) -> Vec<u8> {
        let spec = Spec::parse(&self.spec, self.payload.len() as u64).expect("it is good");
        let mut builder = Builder {
            domains: spec.protection_domains().collect(),
            segments: spec.segments().collect(),
            regions: spec.regions().collect(),
            maps: spec.maps().collect(),
            machines: spec.virtual_machines().collect(),
            guest_maps: spec.guest_maps().collect(),
            irqs: spec.irqs().collect(),
            io_ports: spec.io_ports().collect(),
            channels: spec.channels().collect(),
        };
        change(&mut builder);
        builder.write().expect("it is short")
    }

    /// Boots it with this compiled description.
    fn boot(&self, name: &str, spec: &[u8]) -> (Session, TempDir) {
        self.boot_in(Runner::default(), name, spec)
    }

    /// The same, in the machine that this one provides.
    fn boot_in(&self, runner: Runner, name: &str, spec: &[u8]) -> (Session, TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (elf, image) = (folder.path().join("system.elf"), folder.path().join("system.iso"));
        let mut source = &self.payload[..];
        let payload =
            bulkhead_image::Payload { size: self.payload.len() as u64, source: &mut source };
        let mut out = fs::File::create(&elf).expect("it can be created");
        bulkhead_image::system_elf(&self.root_task, spec, payload, &mut out)
            .expect("the initial task takes it");
        bulkhead_image::iso(&self.kernel, &elf, KERNEL_COMMAND_LINE, &image)
            .expect("the image can be made");
        (Session::start(name, Config { runner, ..Config::new(image, "") }), folder)
    }
}

const CONSOLE: PdIndex = PdIndex(0);
const WITNESS: PdIndex = PdIndex(1);

/// A change, and what the initial task says of it.
type Case = (&'static str, fn(&mut Builder<'_>), &'static str);

const CASES: &[Case] = &[
    ("no-memory", |b| b.regions[1].size = 4 << 30, "second: out of memory: "),
    ("no-slots", |b| b.regions[0].size = 1 << 30, "first: 262144 capability slots wanted, "),
    (
        "map-over-map",
        |b| b.maps[0].vaddr = b.maps[1].vaddr + 0x1000,
        "witness: region second at 0x4000000000..0x4000200000 overlaps region first at 0x4000001000",
    ),
    ("map-over-program", |b| b.maps[0].vaddr = 0x20_0000, "witness: its program at 0x200000.."),
    (
        "map-over-stack",
        |b| b.maps[0].vaddr = 0x7fff_ffff_8000,
        "witness: region first at 0x7fffffff8000..0x7fffffffb000 overlaps its stack at",
    ),
    ("big-stack", |b| b.domains[1].stack_size = 1 << 62, "witness: a stack of 0x40000000"),
    (
        "one-frame-twice",
        |b| {
            b.regions[0].phys_addr = Some(0xfed0_0000);
            b.regions.push(Region { name: "third", ..b.regions[0] });
        },
        "physical memory: region first at 0xfed00000..0xfed03000 overlaps region third",
    ),
    (
        // Its image lies from 1 MiB to above 9 MiB; what it needs only at its
        // start, up to 7 MiB, is free again.
        "the-kernel's-memory",
        |b| b.regions[0].phys_addr = Some(0x80_0000),
        "first: physical range 0x800000 of 0x3000 bytes is not free for use",
    ),
    (
        // The firmware's tables are the last 8 KiB, which is no RAM to the kernel.
        "memory-and-not",
        |b| b.regions[0].phys_addr = Some(0x3fff_d000),
        "first: physical range 0x3fffd000 of 0x3000 bytes is not free for use; the largest free \
         range of RAM is 0x20000000..0x30000000",
    ),
    (
        "the-local-APIC",
        |b| b.regions[0].phys_addr = Some(0xfee0_0000),
        "first: physical range 0xfee00000 of 0x3000 bytes is not free for use",
    ),
    (
        "payload-outside",
        |b| {
            let last = b.segments.iter_mut().rev().find_map(|s| s.payload.as_mut());
            last.expect("a program").offset = 1 << 40;
        },
        "system description: payload of segment ",
    ),
    (
        "no-such-region",
        |b| b.maps[0].region = RegionIndex(99),
        "system description: map 0 names a domain or region that does not exist",
    ),
    ("channel-64", |b| b.channels[0].a.id = 64, "number 64, and there are 0 to 61"),
    (
        "own-ancestor",
        |b| {
            b.domains[0].parent = Some((WITNESS, 0));
            b.domains[1].parent = Some((CONSOLE, 0));
        },
        "console: it is its own ancestor",
    ),
    ("highest-priority", |b| b.domains[1].priority = 255, "witness: priority 255 is taken"),
    ("ports-twice", |b| b.io_ports.push(b.io_ports[0]), "console: I/O ports: already in use"),
];

/// Waits for the reason; holds that nobody has run then or later.
fn expect_failure(name: &str, parts: &Parts, spec: &[u8], expected: &str) {
    let (mut session, _folder) = parts.boot(name, spec);
    let over = |status: &Status| matches!(status, Status::Failed(_) | Status::Ready);
    let status = session.expect_status("of the start", over, LIMIT);
    let Status::Failed(why) = &status else { panic!("{name}: it started") };
    assert!(why.contains(expected), "{name}: {why:?} is not {expected:?}");
    std::thread::sleep(SILENCE);
    let statuses = session.statuses().len();
    let console = session.stop();
    assert!(console.is_empty(), "{name}: {}", String::from_utf8_lossy(&console));
    assert_eq!(statuses, 1, "{name}: nothing but the reason is said");
}

#[test]
fn what_the_failures_are_made_of_starts() {
    let parts = Parts::new();
    let (mut session, _folder) = parts.boot("start-good", &parts.with(|_| {}));
    session.expect("witness runs", LIMIT);
    session.expect_ready(LIMIT);
}

/// What a driver's DMA needs. The region lies across a border between two pieces
/// of untyped memory, at 896 MiB of 1,024; below it is memory that the other
/// region cannot do without.
#[test]
fn a_region_of_ram_has_its_fixed_address_and_memory_below_stays_of_use() {
    let parts = Parts::new();
    let spec = parts.with(|b| {
        b.regions[0].phys_addr = Some(0x37ff_f000);
        b.regions[1].size = 900 << 20;
    });
    let (mut session, _folder) = parts.boot("start-fixed", &spec);
    session.expect("witness runs", LIMIT);
    session.expect_status("of the start", |status| *status == Status::Ready, LIMIT);
}

#[test]
fn an_impossible_system_fails_with_its_reason_and_nobody_runs() {
    let parts = Parts::new();
    for (name, change, expected) in CASES {
        expect_failure(&format!("start-{name}"), &parts, &parts.with(change), expected);
    }
}

/// QEMU has none without KVM.
#[test]
fn a_guest_is_refused_where_the_processor_has_no_vtx() {
    let parts = Parts::new();
    let spec = parts.with(|b| {
        b.machines.push(VirtualMachine { pd: WITNESS, name: "guest", vcpu_id: 0 });
    });
    let qemu = Runner::Qemu(Accelerator::Tcg);
    let (mut session, _folder) = parts.boot_in(qemu, "start-no-vtx", &spec);
    let over = |status: &Status| matches!(status, Status::Failed(_) | Status::Ready);
    let status = session.expect_status("of the start", over, LIMIT);
    let Status::Failed(why) = status else { panic!("it started") };
    assert!(why.starts_with("witness: this processor has no VT-x, or"), "{why}");
}

#[test]
fn a_damaged_description_fails_and_nobody_runs() {
    let parts = Parts::new();
    let mut other_version = parts.spec.clone();
    other_version[7] ^= 1;
    let cut = &parts.spec[..parts.spec.len() - 3];
    expect_failure("start-version", &parts, &other_version, "of this version; rebuild the boot");
    expect_failure("start-cut", &parts, cut, "table of channel does not decode");
}

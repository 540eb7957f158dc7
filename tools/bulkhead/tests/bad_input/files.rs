//! Kernels, initial RAM disks, memory and command lines that no guest can have,
//! and transcripts that cannot be written.

use std::{ffi::CString, fs, os::unix::fs::symlink, path::Path};

use crate::{
    call::{Call, Catalogue},
    checkout::Checkout,
};

/// A case: its name, its arguments, `@` standing for the folder of its files.
type Case = (&'static str, &'static str);

/// All are refused before anything is built.
const REFUSED: &[Case] = &[
    ("a kernel that is not there", "run --kernel @/nowhere"),
    ("a kernel that is a folder", "run --kernel @"),
    ("a kernel that is a device", "run --kernel /dev/zero"),
    ("a kernel that is a pipe", "run --kernel @/pipe"),
    ("a kernel that is a loop of links", "run --kernel @/loop"),
    ("a kernel that is empty", "run --kernel @/empty"),
    ("a kernel that is a text", "run --kernel @/text"),
    ("a kernel that is the initial RAM disk", "run --kernel @/initrd"),
    ("a kernel that is compressed", "run --kernel @/compressed"),
    ("a kernel that is cut short", "run --kernel @/cut-kernel"),
    ("a bzImage that is cut short", "run --kernel @/cut-bzimage"),
    ("a kernel for AArch64", "run --kernel @/aarch64"),
    ("a kernel for RISC-V", "run --kernel @/riscv"),
    ("a program instead of a kernel", "run --kernel /bin/true"),
    ("a kernel whose name has a line feed", "run --kernel @/line\nfeed"),
    ("an initial RAM disk that is not there", "run --initrd @/nowhere"),
    ("an initial RAM disk that is a folder", "run --initrd @"),
    ("an initial RAM disk that is empty", "run --initrd @/empty"),
    ("an initial RAM disk that is the kernel", "run --initrd @/kernel"),
    ("an initial RAM disk that is cut short", "run --initrd @/cut-initrd"),
    ("an initial RAM disk that is cut short, packed", "run --initrd @/cut-packed"),
    ("an initial RAM disk larger than the memory", "run --initrd @/huge"),
    ("memory: nothing", "run --memory 0M"),
    ("memory: no number", "run --memory lots"),
    ("memory: no unit", "run --memory 512"),
    ("memory: below nothing", "run --memory=-1G"),
    ("memory: a fraction", "run --memory 1.5G"),
    ("memory: not whole pages", "run --memory 3M"),
    ("memory: too little for the kernel", "run --memory 16M"),
    ("memory: more than the machine can have", "run --memory 3G"),
    ("memory: more than a number can say", "run --memory 99999999999G"),
    ("memory of the machine: more than it can have", "boot @/kernel --memory 4G"),
    ("a command line that is too long", "run --append LONG"),
    ("a command line that is not ASCII", "run --append naïve"),
    ("a command line of two lines", "run --append a\nb"),
    ("a time of nothing", "run --timeout 0"),
    ("a time that is no number", "run --timeout soon"),
    ("a transcript in no folder", "run --log @/nowhere/log"),
    ("a transcript that is a folder", "run --log @"),
    ("a transcript over the kernel", "run --kernel @/kernel --log @/kernel"),
    ("a transcript over the system", "run --log @/../checkout/system.xml"),
    ("an image that is not there", "boot @/nowhere"),
    ("an image that is a folder", "boot @"),
    ("an image that is a device", "boot /dev/null"),
    ("an image that is too short", "boot @/text"),
    ("a command that there is not", "walk"),
];

fn prepare(checkout: &Checkout) {
    let folder = checkout.scratch();
    let at = |name: &str| folder.join(name);
    let kernel = fs::read(checkout.out().join("linux.elf")).expect("it is built");
    let initrd = fs::read(checkout.out().join("initramfs.cpio")).expect("it is built");
    let bzimage = bzimage(&checkout.out().join("guest/unpacked"));
    let mut aarch64 = kernel[..4096].to_vec();
    // e_machine (ELF specification, header): 183 is AArch64.
    aarch64[18..20].copy_from_slice(&183_u16.to_le_bytes());
    let mut riscv = vec![0; 4096];
    riscv[0x38..0x3c].copy_from_slice(b"RSC\x05");
    for (name, bytes) in [
        ("empty", &[][..]),
        ("text", b"This is no kernel.\n"),
        ("kernel", &kernel),
        ("cut-kernel", &kernel[..kernel.len() / 3]),
        ("cut-bzimage", &bzimage[..bzimage.len() / 3]),
        ("aarch64", &aarch64),
        ("riscv", &riscv),
        ("initrd", &initrd),
        ("cut-initrd", &initrd[..initrd.len() / 3]),
        ("compressed", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        ("cut-packed", b"\x28\xb5\x2f\xfd\x04\x58\xff\xff\x00"),
        ("line\nfeed", &kernel[..4096]),
    ] {
        fs::write(at(name), bytes).expect("a file");
    }
    fs::File::create(at("huge")).and_then(|f| f.set_len(1 << 30)).expect("a file");
    symlink("loop", at("loop")).expect("a link");
    let pipe = CString::new(at("pipe").into_os_string().into_encoded_bytes()).expect("a path");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("a pipe");
}

/// The packages' own kernel.
fn bzimage(unpacked: &Path) -> Vec<u8> {
    let find = |folder: &Path, start: &str| {
        let mut entries = fs::read_dir(folder).expect("it is unpacked").flatten();
        entries.find(|e| e.file_name().to_string_lossy().starts_with(start)).map(|e| e.path())
    };
    let package = fs::read_dir(unpacked).expect("it is unpacked").flatten().find_map(|package| {
        let boot = package.path().join("boot");
        boot.is_dir().then(|| find(&boot, "vmlinuz-")).flatten()
    });
    fs::read(package.expect("a package with a kernel")).expect("it can be read")
}

fn arguments(case: &str, folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let long = "x".repeat(3000);
    // Not at line feeds, which are part of an argument.
    let words = case.split(' ').filter(|word| !word.is_empty());
    words.map(|word| word.replace('@', &folder).replace("LONG", &long)).collect()
}

pub fn what_no_guest_can_start_from_is_refused_before_anything_is_built() {
    let checkout = Checkout::new();
    prepare(&checkout);
    let before = checkout.state();
    let mut catalogue = Catalogue::default();
    for (name, case) in REFUSED {
        let outcome = Call::new(&checkout, arguments(case, &checkout.scratch())).run();
        assert_eq!(outcome.status, 125, "{name}: {}", outcome.err);
        assert_eq!(checkout.state(), before, "{name} has changed something");
        assert!(checkout.leftovers().is_empty(), "{name}: {:?}", checkout.leftovers());
        catalogue.add(name, &outcome);
    }
    let outcome = Call::new(&checkout, ["build"]).run();
    assert_eq!(outcome.status, 0, "afterwards a build works: {outcome:?}");
    catalogue.check("files");
}

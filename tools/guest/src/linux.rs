//! The default guest: Debian's kernel and an initial RAM disk around busybox.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Request,
    bzimage::{self, Kernel},
    debian::{self, Package},
    error::{GuestError, Result},
    initramfs::Archive,
    programs::{self, BuiltProgram},
    recipe::Recipe,
    store,
};

/// A guest's images.
#[derive(Clone, Debug)]
pub struct LinuxImages {
    /// The kernel: an ELF file, or the package's bzImage if it is compressed
    /// in a way that is not unpacked here.
    pub kernel: PathBuf,
    /// The initial RAM disk.
    pub initramfs: PathBuf,
    /// The kernel's version, as `uname -r` prints it.
    pub version: String,
    /// The packages that both are made of.
    pub packages: Vec<UnpackedPackage>,
    /// Which of them holds the kernel.
    pub kernel_package: String,
    /// The initial RAM disk's files.
    pub contents: Vec<Content>,
}

/// A package and its files.
#[derive(Clone, Debug)]
pub struct UnpackedPackage {
    /// The package.
    pub package: Package,
    /// Where its files are.
    pub folder: PathBuf,
}

/// A file of the initial RAM disk.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its place there.
    pub path: String,
    /// Where it is from.
    pub source: Source,
}

/// Where a file of the initial RAM disk is from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A Debian package of this name, unchanged.
    Package(String),
    /// The checkout: copied from it, or written by this crate.
    Checkout,
    /// Compiled from this package of the workspace.
    Program(&'static str),
}

/// Names of the two images in the build folder; `system.xml` uses them.
const KERNEL: &str = "linux.elf";
const INITRAMFS: &str = "initramfs.cpio";

/// What becomes of the address that a network gives.
const UDHCPC_SCRIPT: &str = "udhcpc-script";

/// The initial RAM disk whose first process measures.
const BENCH_INITRAMFS: &str = "bench-initramfs.cpio";

/// The one that tests use.
const TEST_INITRAMFS: &str = "test-initramfs.cpio";

/// A guest's images, by what they are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    /// A shell, or what the kernel's command line says.
    Shell,
    /// The first process measures, and ends by power-off.
    Bench,
    /// A shell, on the kernel that has drivers for real devices.
    Hardware,
    /// The user's, with programs for tests.
    Tests,
}

impl Variant {
    /// What they are made of.
    const fn recipe(self) -> &'static str {
        match self {
            Variant::Shell | Variant::Bench | Variant::Tests => "recipe.toml",
            Variant::Hardware => "hardware.toml",
        }
    }

    /// Where what they were made of is recorded.
    const fn manifest(self) -> &'static str {
        match self {
            Variant::Shell | Variant::Bench | Variant::Tests => "manifest.txt",
            Variant::Hardware => "hardware-manifest.txt",
        }
    }

    /// Names of kernel and initial RAM disk in the build folder.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Variant::Shell => (KERNEL, INITRAMFS),
            Variant::Bench => (KERNEL, BENCH_INITRAMFS),
            Variant::Tests => (KERNEL, TEST_INITRAMFS),
            Variant::Hardware => ("hardware-linux.elf", "hardware-initramfs.cpio"),
        }
    }
}

/// Makes the images, or finds them made.
///
/// # Errors
/// A package cannot be fetched or does not hold what the recipe wants; no room.
pub fn linux(request: &Request<'_>) -> Result<LinuxImages> {
    images(request, Variant::Shell)
}

/// The same with another first process, `guest-images/bench-init`: everything
/// else in the initial RAM disk is as it is for a user.
///
/// # Errors
/// As [`linux`].
pub fn bench_linux(request: &Request<'_>) -> Result<LinuxImages> {
    images(request, Variant::Bench)
}

/// The same with Debian's kernel for any machine, which has drivers for real devices,
/// for guests that drive some.
///
/// # Errors
/// As [`linux`].
pub fn hardware_linux(request: &Request<'_>) -> Result<LinuxImages> {
    images(request, Variant::Hardware)
}

/// The same as a user's, with programs that only tests run: `guest-images/intruder`, and
/// Debian's of the recipe's section `tests`.
///
/// # Errors
/// As [`linux`].
pub fn test_linux(request: &Request<'_>) -> Result<LinuxImages> {
    images(request, Variant::Tests)
}

fn images(request: &Request<'_>, variant: Variant) -> Result<LinuxImages> {
    let guest = request.out.join("guest");
    let sources = request.workspace.join("guest-images/linux");
    let recipe = Recipe::read(&sources.join(variant.recipe()))?;
    let packages = guest.join("packages");

    request.progress.begin("guest packages", Some(2));
    let kernel = debian::fetch(&packages, &recipe.kernel.metapackage, true)?;
    request.progress.advance(1);
    let busybox = debian::fetch(&packages, &recipe.initramfs.busybox, false)?;
    request.progress.end(&format!("{} {}", kernel.name, kernel.version));

    request.progress.begin("guest programs", None);
    let always = programs::build(request, programs::ALWAYS)?;
    let (mut cached, mut own) = (always.cached, Vec::from(always.all));
    let mut init = (sources.join("init"), Source::Checkout);
    match variant {
        Variant::Shell | Variant::Hardware => {}
        Variant::Bench => {
            let bench = programs::build(request, [programs::BENCH_INIT])?;
            cached &= bench.cached;
            let [program] = bench.all;
            init = (program.path, Source::Program(program.package));
        }
        Variant::Tests => {
            let tests = programs::build(request, [programs::TESTS])?;
            cached &= tests.cached;
            own.extend(tests.all);
        }
    }
    let (kernel_name, name) = variant.names();
    request.progress.end(if cached { "cached" } else { "built" });

    request.progress.begin("guest images", None);
    let unpacked = Unpacked::new(&guest, &kernel, &busybox)?;
    let (kernel_image, version) = unpacked.kernel(&request.out.join(kernel_name))?;
    let initramfs = request.out.join(name);
    let mut files = unpacked.files(init, &recipe, &version, &own)?;
    let script = sources.join(UDHCPC_SCRIPT);
    files.push(File {
        path: format!("bin/{UDHCPC_SCRIPT}"),
        program: true,
        contents: fs::read(&script).map_err(GuestError::io("read", &script))?,
        source: Source::Checkout,
    });
    if variant == Variant::Tests {
        files.extend(packaged(&guest, &recipe)?);
    }
    let made_of = store::digest(files.iter().flat_map(|f| [f.path.as_bytes(), &f.contents]));
    let cached = store::is_current(&initramfs, &made_of);
    if !cached {
        let archive = archive(&files).map_err(GuestError::io("make", &initramfs))?;
        store::write(&initramfs, &archive, &made_of)?;
    }
    manifest(&guest.join(variant.manifest()), &[&kernel, &busybox])?;
    request.progress.end(if cached { "cached" } else { "made" });
    let contents = files.into_iter().map(|File { path, source, .. }| Content { path, source });
    Ok(LinuxImages {
        kernel: kernel_image,
        initramfs,
        version,
        kernel_package: kernel.name.clone(),
        contents: contents.collect(),
        packages: vec![
            UnpackedPackage { folder: unpacked.kernel_files.clone(), package: kernel.clone() },
            UnpackedPackage { folder: unpacked.busybox_files.clone(), package: busybox.clone() },
        ],
    })
}

/// A file of the initial RAM disk.
struct File {
    path: String,
    program: bool,
    contents: Vec<u8>,
    source: Source,
}

/// The packages' files.
struct Unpacked<'a> {
    kernel: &'a Package,
    busybox: &'a Package,
    kernel_files: PathBuf,
    busybox_files: PathBuf,
}

impl<'a> Unpacked<'a> {
    fn new(guest: &Path, kernel: &'a Package, busybox: &'a Package) -> Result<Self> {
        Ok(Unpacked {
            kernel,
            busybox,
            kernel_files: unpack(guest, kernel)?,
            busybox_files: unpack(guest, busybox)?,
        })
    }

    /// Unpacks the kernel to `image`; returns it and its version.
    fn kernel(&self, image: &Path) -> Result<(PathBuf, String)> {
        let boot = self.kernel_files.join("boot");
        let missing = || GuestError::Content {
            package: self.kernel.name.clone(),
            wanted: "boot/vmlinuz-VERSION".into(),
        };
        let (path, version) = fs::read_dir(&boot)
            .map_err(|_| missing())?
            .flatten()
            .find_map(|f| {
                let name = f.file_name().into_string().ok()?;
                Some((f.path(), name.strip_prefix("vmlinuz-")?.to_owned()))
            })
            .ok_or_else(missing)?;
        if !store::is_current(image, &self.kernel.digest) {
            let packed = fs::read(&path).map_err(GuestError::io("read", &path))?;
            let unpacked = match bzimage::unpack(&packed) {
                Ok(Kernel::Unpacked(kernel)) => kernel,
                Ok(Kernel::Xz(kernel)) => bzimage::xz(&kernel).unwrap_or(packed),
                // It boots as it is, only slower.
                Ok(Kernel::Other(_)) => packed,
                Err(reason) => return Err(GuestError::Kernel { path, reason }),
            };
            store::write(image, &unpacked, &self.kernel.digest)?;
        }
        Ok((image.to_owned(), version))
    }

    /// Everything that goes into the initial RAM disk.
    fn files(
        &self,
        (init, init_source): (PathBuf, Source),
        recipe: &Recipe,
        version: &str,
        programs: &[BuiltProgram],
    ) -> Result<Vec<File>> {
        let read = |path: &Path| fs::read(path).map_err(GuestError::io("read", path));
        let content = |package: &Package, folder: &Path, wanted: String| {
            fs::read(folder.join(&wanted))
                .map_err(|_| GuestError::Content { package: package.name.clone(), wanted })
        };
        let program = |path: &str, contents, source| File {
            path: path.into(),
            program: true,
            contents,
            source,
        };
        let mut files = vec![
            program("init", read(&init)?, init_source),
            program(
                "bin/busybox",
                content(self.busybox, &self.busybox_files, "bin/busybox".into())?,
                Source::Package(self.busybox.name.clone()),
            ),
        ];
        for BuiltProgram { package, name, path } in programs {
            let source = Source::Program(package);
            files.push(program(&format!("bin/{name}"), read(path)?, source));
        }
        let mut order = String::new();
        for module in &recipe.kernel.modules {
            let wanted = format!("lib/modules/{version}/kernel/{module}");
            let name = module.rsplit('/').next().unwrap_or(module);
            let contents = content(self.kernel, &self.kernel_files, wanted)?;
            let source = Source::Package(self.kernel.name.clone());
            let path = format!("lib/modules/{name}");
            files.push(File { path, program: false, contents, source });
            // Writing to a string cannot fail.
            let _ = writeln!(order, "{name}");
        }
        files.push(File {
            path: "lib/modules/order".into(),
            program: false,
            contents: order.into_bytes(),
            source: Source::Checkout,
        });
        Ok(files)
    }
}

/// A package's files, as they are or unpacked now.
fn unpack(guest: &Path, package: &Package) -> Result<PathBuf> {
    let to = guest.join("unpacked").join(&package.name);
    let done = guest.join("unpacked").join(format!("{}.done", package.name));
    if !fs::read_to_string(&done).is_ok_and(|digest| digest == package.digest) {
        store::remove(&done)?;
        package.unpack(&to)?;
        bulkhead_host::replace(&done, package.digest.as_bytes())?;
    }
    Ok(to)
}

/// What tests have of Debian's packages.
fn packaged(guest: &Path, recipe: &Recipe) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for wanted in &recipe.tests {
        let package = debian::fetch(&guest.join("packages"), &wanted.package, false)?;
        let folder = unpack(guest, &package)?;
        for (path, from) in &wanted.files {
            let contents = fs::read(folder.join(from)).map_err(|_| GuestError::Content {
                package: package.name.clone(),
                wanted: from.clone(),
            })?;
            let source = Source::Package(package.name.clone());
            files.push(File { path: path.clone(), program: true, contents, source });
        }
    }
    Ok(files)
}

fn archive(files: &[File]) -> std::io::Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "etc", "lib", "lib/modules", "lib64", "proc", "root", "sys", "tmp"]
    {
        archive.folder(folder)?;
    }
    // The kernel opens it for the first process before that mounts anything.
    archive.device("dev/console", 5, 1)?;
    for file in files {
        if file.program {
            archive.program(&file.path, &file.contents)?;
        } else {
            archive.file(&file.path, &file.contents)?;
        }
    }
    archive.finish()
}

/// Records what the images were made of.
fn manifest(path: &Path, packages: &[&Package]) -> Result<()> {
    let mut text = String::new();
    for p in packages {
        let _ = writeln!(text, "{} {} sha256:{}", p.name, p.version, p.digest);
    }
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        // What is built can be run on a full disk, too.
        return Ok(());
    }
    Ok(bulkhead_host::replace(path, text.as_bytes())?)
}

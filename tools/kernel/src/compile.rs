//! Calls the C tools on the kernel's source, in place of its makefiles.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::program::Program;
use crate::{Configuration, KernelError};

/// Folders with the kernel's own headers, under the source tree.
const INCLUDES: [&str; 5] = [
    "include",
    "include/arch/x86",
    "include/plat/pc99",
    "include/arch/x86/arch/64",
    "include/plat/pc99/plat/64",
];

/// Folders with generated headers, under the generated folder.
const GENERATED_INCLUDES: [&str; 3] = ["", "64", "plat/64"];

/// Code generation: the kernel runs in the top 2 GiB without a red zone, and
/// must not touch the FPU, whose state belongs to threads and guests.
const C_FLAGS: [&str; 17] = [
    "-m64",
    "-std=gnu99",
    "-O2",
    "-ggdb",
    "-nostdlib",
    "-nostdinc",
    "-ffreestanding",
    "-fno-asynchronous-unwind-tables",
    "-fno-pic",
    "-fno-pie",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-mno-mmx",
    "-mno-sse",
    "-mno-sse2",
    "-mno-3dnow",
    "-mcmodel=kernel",
];

/// Compiles C to assembly with the debug calls' names defined: they have the
/// same numbers in every configuration.
pub(crate) trait Probe {
    /// # Returns
    /// The assembly.
    fn probe(&self, source: &Path) -> Result<String, KernelError>;
}

/// What both kernels' probes are compiled with, last.
fn probe(gcc: Program, source: &Path) -> Result<String, KernelError> {
    let assembly = gcc
        .args(["-DCONFIG_DEBUG_BUILD=1", "-DCONFIG_PRINTING=1", "-w", "-S", "-o", "-"])
        .arg(source)
        .run("reading the interface's numbers")?;
    Ok(String::from_utf8_lossy(&assembly).into_owned())
}

/// The C compiler, set up for the headers of a SDK.
pub(crate) struct SdkCompiler<'a> {
    /// The SDK's folder.
    pub include: &'a Path,
}

impl Probe for SdkCompiler<'_> {
    fn probe(&self, source: &Path) -> Result<String, KernelError> {
        let gcc = Program::gcc()
            .args(["-m64", "-std=gnu11", "-O2", "-ffreestanding", "-nostdinc", "-fno-pic"])
            // Assertions would keep values from being constant.
            .arg("-DNDEBUG")
            .arg("-I")
            .arg(self.include);
        probe(gcc, source)
    }
}

/// The C tools, set up for one source tree and one configuration.
pub(crate) struct Compiler {
    root: PathBuf,
    tree: PathBuf,
    generated: PathBuf,
    configuration: Configuration,
}

impl Compiler {
    /// Under `root` is everything: in `tree` the patched source, in `generated`
    /// the headers made from it.
    pub fn new(root: &Path, tree: &Path, generated: &Path, configuration: Configuration) -> Self {
        Self {
            root: root.to_owned(),
            tree: tree.to_owned(),
            generated: generated.to_owned(),
            configuration,
        }
    }

    /// The current folder is in the debug information too.
    fn gcc(&self) -> Program {
        Program::gcc().current_dir(&self.root)
    }

    /// Macros and header folders.
    fn preprocessing(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = vec!["-nostdinc".into()];
        flags.extend(self.configuration.definitions().into_iter().map(Into::into));
        let folders = GENERATED_INCLUDES
            .iter()
            .map(|folder| self.generated.join(folder))
            .chain(INCLUDES.iter().map(|folder| self.tree.join(folder)));
        for folder in folders {
            flags.push("-I".into());
            flags.push(folder.into());
        }
        // Debug information must not depend on where the build ran.
        let mut map = OsString::from("-ffile-prefix-map=");
        map.push(&self.root);
        map.push("=.");
        flags.push(map);
        flags
    }

    /// Runs the preprocessor alone.
    pub fn preprocess(&self, file: &str) -> Result<Vec<u8>, KernelError> {
        Program::cpp()
            .args(self.preprocessing())
            .args(["-P", "-E", "-x", "c"])
            .arg(self.tree.join(file))
            .run(&format!("preprocessing {file}"))
    }

    /// Compiles the kernel's C.
    pub fn c(&self, source: &Path, object: &Path) -> Result<(), KernelError> {
        self.gcc()
            .args(C_FLAGS)
            .arg("-mno-red-zone")
            .args(self.preprocessing())
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(object)
            .run("compiling the kernel")
            .map(drop)
    }

    /// Assembles one of the kernel's files.
    pub fn assembly(&self, file: &str, object: &Path) -> Result<(), KernelError> {
        self.gcc()
            .args(["-m64", "-D__ASSEMBLER__"])
            .args(self.preprocessing())
            .arg("-c")
            .arg(self.tree.join(file))
            .arg("-o")
            .arg(object)
            .run(&format!("assembling {file}"))
            .map(drop)
    }

    /// Links the kernel.
    pub fn link(
        &self,
        objects: &[PathBuf],
        script: &Path,
        kernel: &Path,
    ) -> Result<(), KernelError> {
        self.gcc()
            .args(["-m64", "-O2", "-nostdlib", "-static", "-no-pie"])
            .args(["-Wl,--build-id=none", "-Wl,-n", "-T"])
            .arg(script)
            .arg("-o")
            .arg(kernel)
            .args(objects)
            .run("linking the kernel")
            .map(drop)
    }
}

impl Probe for Compiler {
    fn probe(&self, source: &Path) -> Result<String, KernelError> {
        let gcc = self.gcc().args(C_FLAGS).arg("-mno-red-zone").args(self.preprocessing());
        probe(gcc, source)
    }
}

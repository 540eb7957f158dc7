//! The kernel of a selection: the SDK's own, or one that the user gives.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use bulkhead_host::file;
use object::{Object, ObjectSymbol};

use crate::{
    SdkError,
    files::{Kind, demand_elf, read},
};

/// Why a kernel without the change cannot be trusted with several virtual
/// machines.
pub const SEVERAL_MACHINES: &str = "seL4 16.0.0 runs the wrong guest's state after a switch between \
     virtual machines, on one core and on more (corrected by seL4 pull request 1732, later than \
     16.0.0), and leaves CR2 of one guest to the next";

/// What that change replaces: before it, one VMXON region for all processors
/// had this name; since, each processor has one of its own.
const BEFORE_THE_CHANGE: &str = "vmxon_region";

/// A function that every kernel with VT-x has: without it the symbols say
/// nothing.
const WITH_MACHINES: &str = "vtx_init";

/// Kernels have 2 MiB, with symbols.
const LIMIT: u64 = 64 << 20;

/// The kernel that a system boots with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kernel {
    /// The 64-bit ELF file.
    elf: PathBuf,
    /// The same as the 32-bit ELF file that Multiboot loaders take.
    elf32: Option<PathBuf>,
    /// Whether it has what several virtual machines need, as its symbols say.
    several: bool,
    given: bool,
}

impl Kernel {
    /// The SDK's own, from a configuration's folder.
    pub(crate) fn of_sdk(folder: &Path) -> Result<Kernel, SdkError> {
        let elf = demand_elf(folder.join("elf/sel4.elf"), "the SDK's kernel", Kind::KERNEL)?;
        let elf32 =
            demand_elf(folder.join("elf/sel4_32.elf"), "the SDK's 32-bit kernel", Kind::KERNEL_32)?;
        let several = takes_several(&read(&elf, LIMIT)?);
        Ok(Kernel { elf, elf32: Some(elf32), several, given: false })
    }

    /// One that the user gives instead.
    pub(crate) fn given(path: &Path) -> Result<Kernel, SdkError> {
        let refuse = |why: String| SdkError::Override { path: path.to_owned(), why };
        let elf = path.canonicalize().map_err(|error| refuse(error.to_string()))?;
        match Kind::of(&elf) {
            None => return Err(refuse("it is no file that can be read".into())),
            Some(Kind::KERNEL) => {}
            Some(found) => {
                let wanted = Kind::KERNEL.describe();
                return Err(refuse(format!("it is {}, and {wanted} is needed", found.describe())));
            }
        }
        let bytes = read(&elf, LIMIT)?;
        object::File::parse(&*bytes).map_err(|error| refuse(format!("it is damaged ({error})")))?;
        Ok(Kernel { several: takes_several(&bytes), elf, elf32: None, given: true })
    }

    /// The 64-bit ELF file.
    pub fn elf(&self) -> &Path {
        &self.elf
    }

    /// Whether the user gave it instead of the SDK's.
    pub fn is_given(&self) -> bool {
        self.given
    }

    /// Whether its symbols say that it has what several virtual machines need.
    pub fn takes_several(&self) -> bool {
        self.several
    }

    /// Puts both forms of the kernel into a folder, under the tool's names,
    /// `sel4.elf` and `sel4_32.elf`, and returns the first. The tool looks for
    /// the second beside it; a build of seL4 has none, so it is made, as
    /// the SDK's makers do.
    pub(crate) fn stage(&self, folder: &Path) -> Result<PathBuf, SdkError> {
        fs::create_dir_all(folder).map_err(file("create", folder))?;
        let (elf, elf32) = (folder.join("sel4.elf"), folder.join("sel4_32.elf"));
        fs::copy(&self.elf, &elf).map_err(file("copy", &self.elf))?;
        if let Some(own) = &self.elf32 {
            fs::copy(own, &elf32).map_err(file("copy", own))?;
            return Ok(elf);
        }
        let mut command = Command::new("objcopy");
        command.env("LC_ALL", "C").args(["-O", "elf32-i386"]).arg(&elf).arg(&elf32);
        let output = bulkhead_host::output(&mut command).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                SdkError::MissingProgram { program: "objcopy", package: "binutils" }
            }
            _ => file("start", Path::new("objcopy"))(source).into(),
        })?;
        if output.status.success() {
            return Ok(elf);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(SdkError::Override { path: self.elf.clone(), why: format!("objcopy says: {said}") })
    }
}

/// Whether a kernel with VT-x has the change, by its symbols. One whose symbols
/// were removed says nothing, and is taken for one without.
fn takes_several(elf: &[u8]) -> bool {
    let Ok(elf) = object::File::parse(elf) else { return false };
    let has = |name: &str| elf.symbols().any(|symbol| symbol.name() == Ok(name));
    has(WITH_MACHINES) && !has(BEFORE_THE_CHANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object file with these symbols, which has all that is looked at.
    fn object_with(symbols: &[&str]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (source, object) = (folder.path().join("k.S"), folder.path().join("k.o"));
        let text: String = symbols.iter().map(|s| format!(".globl {s}\n{s}: .quad 0\n")).collect();
        fs::write(&source, text).unwrap();
        let status = Command::new("gcc").arg("-c").arg(&source).arg("-o").arg(&object).status();
        assert!(status.unwrap().success());
        fs::read(object).unwrap()
    }

    #[test]
    fn a_kernel_is_known_by_its_symbols() {
        assert!(!takes_several(&object_with(&["vtx_init", "vmxon_region"])), "16.0.0");
        assert!(takes_several(&object_with(&["vtx_init", "x86KSVMXOnRegion"])), "with the change");
        assert!(!takes_several(&object_with(&["other"])), "without symbols of VT-x");
        assert!(!takes_several(b"\x7fELF"), "no ELF file");
    }

    #[test]
    fn what_is_given_instead_is_an_elf_file_for_this_processor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel");
        let why = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            match Kernel::given(&path) {
                Err(SdkError::Override { why, .. }) => why,
                other => panic!("{other:?}"),
            }
        };
        assert!(why(b"text").contains("of no known kind"));
        let mut elf = vec![0; 64];
        elf[..5].copy_from_slice(b"\x7fELF\x01");
        elf[18] = 3;
        assert!(why(&elf).contains("32-bit"), "the wrong one of the two");
        elf[4] = 2;
        elf[18] = 62;
        assert!(why(&elf).contains("damaged"), "a header and nothing else");
        fs::remove_file(&path).unwrap();
        assert!(matches!(Kernel::given(&path), Err(SdkError::Override { .. })));
        assert!(matches!(Kernel::given(folder.path()), Err(SdkError::Override { .. })));
    }
}

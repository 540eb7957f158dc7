//! Runs the kernel's own generator of bit-field accessors.
//!
//! `bitfield_gen.py` was written for Python 2 with two packages of PyPI. It
//! runs under Python 3 if it finds `six.moves.range`, which is Python 3's own
//! `range`, and `ply.yacc`, of which the crate carries a copy.

use std::path::Path;

use crate::KernelError;
use crate::compile::Compiler;
use crate::error::FileContext;
use crate::program::Program;
use crate::source::{BITFIELD_GEN, YACC};

/// (Description under the source tree, header under the generated folder.)
const HEADERS: [(&str, &str); 3] = [
    ("include/64/mode/api/shared_types.bf", "64/mode/api/shared_types_gen.h"),
    ("include/arch/x86/arch/object/structures.bf", "arch/object/structures_gen.h"),
    (
        "include/plat/pc99/plat/64/plat_mode/machine/hardware.bf",
        "plat/64/plat_mode/machine/hardware_gen.h",
    ),
];

/// Writes the headers. `crate_root` is the staged copy of the crate, `scratch`
/// an own folder.
pub(crate) fn generate(
    crate_root: &Path,
    generated: &Path,
    scratch: &Path,
    compiler: &Compiler,
) -> Result<(), KernelError> {
    let modules = scratch.join("modules");
    for package in ["six", "ply"] {
        let init = modules.join(package).join("__init__.py");
        write(&init, b"")?;
    }
    write(&modules.join("six/moves.py"), b"import builtins\nrange = builtins.range\n")?;
    let yacc = crate_root.join(YACC);
    write(&modules.join("ply/yacc.py"), &std::fs::read(&yacc).context("cannot read", &yacc)?)?;

    // Each of the three takes most of a second.
    std::thread::scope(|scope| {
        let threads = HEADERS.each_ref().map(|&(description, header)| {
            let modules = &modules;
            scope.spawn(move || {
                // The generator leaves its parser's tables in the current folder.
                let name = description.replace('/', "-");
                let own = scratch.join(&name);
                let preprocessed = own.join("preprocessed.bf");
                write(&preprocessed, &compiler.preprocess(description)?)?;
                let header = generated.join(header);
                make_parent(&header)?;
                Program::python()
                    .current_dir(&own)
                    .env("PYTHONPATH", modules)
                    .env("PYTHONDONTWRITEBYTECODE", "1")
                    .arg(crate_root.join(BITFIELD_GEN))
                    .args(["--environment", "sel4"])
                    .args([&preprocessed, &header])
                    .run(&format!("generating accessors from {description}"))
                    .map(drop)
            })
        });
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KernelError> {
    make_parent(path)?;
    std::fs::write(path, bytes).context("cannot write", path)
}

fn make_parent(path: &Path) -> Result<(), KernelError> {
    match path.parent() {
        Some(parent) => std::fs::create_dir_all(parent).context("cannot create", parent),
        None => Ok(()),
    }
}

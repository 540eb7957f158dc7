//! Makes a boot image: `image KERNEL ROOT-TASK SPEC PAYLOAD OUT.iso`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::path::Path;

use bulkhead_image::{Payload, iso, system_elf};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kernel, root_task, spec, payload, out] = &arguments[..] else {
        return Err("usage: image KERNEL ROOT-TASK SPEC PAYLOAD OUT.iso".into());
    };
    let mut source = File::open(payload)?;
    let payload = Payload { size: source.metadata()?.len(), source: &mut source };
    let system = Path::new(out).with_extension("elf");
    let mut file = File::create(&system)?;
    let made = system_elf(&std::fs::read(root_task)?, &std::fs::read(spec)?, payload, &mut file)?;
    println!("{made:?}");
    iso(Path::new(kernel), &system, "console_port=0x3e8 debug_port=0x3e8", Path::new(out))?;
    Ok(())
}

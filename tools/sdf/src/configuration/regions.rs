//! Memory regions that a configuration names: where they are, so that nobody
//! writes an address twice.

use bulkhead_config::IoRegion;

use super::{Configuration, Reach};
use crate::{model::System, problem::Problem, rule::Rule};

/// Where the number of a region without a `phys_addr` begins; above every
/// physical address (2^39 and less on the machines that these systems are for).
/// No device is given it.
const NOWHERE_SHIFT: u32 = 40;

/// Gives every region that is named its address and size.
///
/// # Returns
/// Names of no region, regions that a device cannot reach, and sizes that are not
/// known.
pub(super) fn resolve(system: &System, configuration: &mut Configuration) -> Vec<Problem> {
    let mut problems = Vec::new();
    let source = configuration.source.clone();
    for section in configuration.sections.values_mut() {
        let mut found = Vec::new();
        for (key, reach, region) in section.content.regions_mut() {
            if let Err((message, cure)) = locate(system, region, reach) {
                found.push((key, message, cure));
            }
        }
        problems.extend(found.into_iter().map(|(key, message, cure)| {
            Problem::new(&source, Rule::ConfigNames, section.value_span(key), message).cure(cure)
        }));
    }
    problems
}

/// Finds one region.
///
/// # Errors
/// What is wrong with it, and what helps.
fn locate(system: &System, named: &mut IoRegion, reach: Reach) -> Result<(), (String, String)> {
    let (name, file) = (named.name.as_str(), system.source.name());
    let Some((index, region)) =
        system.regions.iter().enumerate().find(|(_, region)| region.name.value == name)
    else {
        let cure = "name a memory_region of the description".to_owned();
        return Err((format!("{file} has no memory region `{name}`"), cure));
    };
    let Some(size) = region.bytes() else {
        let cure = "give it a `size` in the description".to_owned();
        return Err((format!("the size of `{name}` is its file's, which is not built"), cure));
    };
    let base = match &region.phys_addr {
        Some(at) => at.value,
        None => match reach {
            Reach::Driver => (index as u64 + 1) << NOWHERE_SHIFT,
            Reach::Device | Reach::Device32 => {
                let cure = format!("give it a `phys_addr` in {file}");
                return Err((
                    format!("a device cannot reach `{name}`: its address is not known"),
                    cure,
                ));
            }
        },
    };
    if reach == Reach::Device32 && base.checked_add(size).is_none_or(|end| end > 1 << 32) {
        let cure = format!("give it a `phys_addr` below 4 GiB in {file}");
        return Err((format!("a device of 32 bits cannot reach all of `{name}`"), cure));
    }
    named.base = base;
    named.size = size;
    Ok(())
}

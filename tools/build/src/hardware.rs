//! What a system's drivers expect the machine to have.

use bulkhead_sdf::configuration::{Configuration, Content};

use crate::Guest;

/// Devices beyond those that every machine has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hardware {
    /// A disk on the second IDE channel: the partitions that a new one is given, one
    /// a guest and called like it.
    pub disk: Option<Vec<String>>,
    /// An 82540EM.
    pub network: bool,
}

impl Hardware {
    /// Of the drivers that the configuration has sections for.
    pub(crate) fn of(configuration: &Configuration, guests: &[Guest]) -> Self {
        let any = |wanted: fn(&Content) -> bool| {
            configuration.sections.values().any(|section| wanted(&section.content))
        };
        let names = || guests.iter().map(|guest| guest.name.clone()).collect();
        Hardware {
            disk: any(|content| matches!(content, Content::Ide(_))).then(names),
            network: any(|content| matches!(content, Content::E1000(_))),
        }
    }
}

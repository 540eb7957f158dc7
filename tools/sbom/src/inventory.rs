//! Every file of an image, and of which components it is made. A file without
//! a component cannot be in it: that is the error this crate is there for.

use std::collections::BTreeMap;

use crate::{SbomError, component::ComponentId, digest::Digests};

/// How a file came from a component.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Origin {
    /// Unpacked from the component's archive, unchanged.
    Unpacked,
    /// Compiled, assembled or written from the component.
    Made,
    /// The component's code is linked into it.
    Linked,
    /// The file is one that the user gave.
    Given,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// Its hashes.
    pub digests: Digests,
    /// Its components; never empty.
    pub made_of: Vec<(Origin, ComponentId)>,
    /// Whether it is in the image; the kernel's patches are not.
    pub inside: bool,
}

/// All files by path. A file within a file is below that: `system/vmm.elf`.
#[derive(Default, Debug)]
pub(crate) struct Inventory(BTreeMap<String, Entry>);

impl Inventory {
    /// Adds a file of the image.
    ///
    /// # Errors
    /// It has no component, or another file has its path.
    pub fn add(
        &mut self,
        path: &str,
        bytes: &[u8],
        made_of: Vec<(Origin, ComponentId)>,
    ) -> Result<(), SbomError> {
        self.insert(path, bytes, made_of, true)
    }

    /// Adds a file that is an input.
    ///
    /// # Errors
    /// As [`Inventory::add`].
    pub fn add_input(
        &mut self,
        path: &str,
        bytes: &[u8],
        made_of: Vec<(Origin, ComponentId)>,
    ) -> Result<(), SbomError> {
        self.insert(path, bytes, made_of, false)
    }

    fn insert(
        &mut self,
        path: &str,
        bytes: &[u8],
        mut made_of: Vec<(Origin, ComponentId)>,
        inside: bool,
    ) -> Result<(), SbomError> {
        made_of.sort();
        made_of.dedup();
        if made_of.is_empty() {
            return Err(SbomError::Unaccounted { file: path.to_owned() });
        }
        let entry = Entry { digests: Digests::of(bytes), made_of, inside };
        match self.0.get(path) {
            None => {
                self.0.insert(path.to_owned(), entry);
                Ok(())
            }
            // Two guests that start from one file.
            Some(known) if *known == entry => Ok(()),
            Some(_) => Err(SbomError::Twice { file: path.to_owned() }),
        }
    }

    /// In the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{Components, testing::component};

    #[test]
    fn a_file_without_a_component_is_refused_by_name() {
        let error = Inventory::default().add("system/stray.bin", b"x", Vec::new()).unwrap_err();
        assert!(error.to_string().contains("system/stray.bin"), "{error}");
    }

    #[test]
    fn a_file_is_there_once_however_often_it_is_used() {
        let id = Components::default().add("crate", component("a"));
        let mut inventory = Inventory::default();
        let mut add = |bytes: &[u8]| inventory.add("x", bytes, vec![(Origin::Made, id.clone())]);
        add(b"1").unwrap();
        add(b"1").unwrap();
        assert!(matches!(add(b"2"), Err(SbomError::Twice { .. })));
        assert_eq!(inventory.iter().count(), 1);
    }
}

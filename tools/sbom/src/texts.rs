//! Licence texts: found, never made up.

use std::{fs, path::Path};

use crate::{SbomError, component::LicenceText};

/// How names of files with licences and notices begin, in capitals.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// Every licence text at the top of a folder, in the order of their names.
pub(crate) fn in_folder(folder: &Path) -> Result<Vec<LicenceText>, SbomError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(SbomError::file("list", folder))? {
        let path = entry.map_err(SbomError::file("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && NAMES.iter().any(|known| name.starts_with(known)) {
            found.push(file(&path)?);
        }
    }
    found.sort();
    Ok(found)
}

/// One text.
pub(crate) fn file(path: &Path) -> Result<LicenceText, SbomError> {
    let bytes = fs::read(path).map_err(SbomError::file("read", path))?;
    // Some are in Latin-1: a wrong letter in a name is better than no text.
    let text = String::from_utf8_lossy(&bytes).replace('\r', "");
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(LicenceText { file, text: text.trim_end().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_found_whatever_their_name_s_case() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["LICENSE-MIT", "copying", "README.md", "Notice.txt"] {
            fs::write(folder.path().join(name), format!("{name}\r\n\n")).unwrap();
        }
        let found = in_folder(folder.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|text| text.file.as_str()).collect();
        assert_eq!(names, ["LICENSE-MIT", "Notice.txt", "copying"]);
        assert_eq!(found[0].text, "LICENSE-MIT");
    }
}

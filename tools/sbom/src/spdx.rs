//! The bill as SPDX 2.3 in JSON (ISO/IEC 5962:2021 and its successor; names of
//! fields: the specification's JSON schema).
//!
//! The same image gives the same bytes: the date is that of the image's own
//! files, and the document's name space is made from the image's hash.

use serde::Serialize;

use crate::{
    component::{Component, Components, NO_ASSERTION, plain},
    digest::{Digests, verification_code},
    inventory::{Entry, Inventory, Origin},
};

/// The image as a whole.
pub(crate) struct Subject<'a> {
    /// Name of its file.
    pub file: &'a str,
    /// Its hashes.
    pub digests: &'a Digests,
    /// What its files are made of.
    pub components: &'a Components,
    /// What is in it.
    pub inventory: &'a Inventory,
}

/// 1 January 2000, as all files in the image.
const DATE: &str = "2000-01-01T00:00:00Z";

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    files: Vec<File>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: &'static str,
    creators: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    version_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_file_name: Option<String>,
    supplier: String,
    download_location: String,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_verification_code: Option<VerificationCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    source_info: String,
    license_concluded: String,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerificationCode {
    package_verification_code_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "SPDXID")]
    id: String,
    file_name: String,
    checksums: Vec<Checksum>,
    license_concluded: String,
    license_info_in_files: [&'static str; 1],
    copyright_text: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// The document's text.
pub(crate) fn document(subject: &Subject<'_>) -> Result<String, serde_json::Error> {
    let Subject { file, digests, components, inventory } = subject;
    let mut packages = vec![image(subject)];
    packages.extend(components.iter().map(|(id, component)| package(id.as_str(), component)));
    let files = inventory.iter().map(|(path, entry)| self::file(path, entry, components));
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: (*file).to_owned(),
        document_namespace: format!("https://spdx.org/spdxdocs/bulkhead-{}", digests.sha256),
        creation_info: CreationInfo { created: DATE, creators: ["Tool: cargo-bulkhead"] },
        packages,
        files: files.collect(),
        relationships: relationships(inventory, components),
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}

/// The boot image as a package that has all files.
fn image(subject: &Subject<'_>) -> Package {
    let inside = subject.inventory.iter().filter(|(_, entry)| entry.inside);
    let code = verification_code(inside.map(|(_, entry)| &entry.digests));
    Package {
        id: IMAGE.into(),
        name: "Bulkhead boot image".into(),
        version_info: env!("CARGO_PKG_VERSION").into(),
        package_file_name: Some(subject.file.to_owned()),
        // Whoever passes it on.
        supplier: NO_ASSERTION.into(),
        download_location: NO_ASSERTION.into(),
        files_analyzed: true,
        package_verification_code: Some(VerificationCode { package_verification_code_value: code }),
        checksums: checksums(subject.digests),
        source_info: "built by `cargo bulkhead build`".into(),
        // An aggregate: each file has its own.
        license_concluded: NO_ASSERTION.into(),
        license_declared: NO_ASSERTION.into(),
        copyright_text: NO_ASSERTION,
        comment: None,
        external_refs: Vec::new(),
    }
}

fn package(id: &str, component: &Component) -> Package {
    let sums = component.sha256.iter();
    let sums = sums.map(|sum| Checksum { algorithm: "SHA256", checksum_value: sum.clone() });
    let purl = component.purl.iter().map(|purl| ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: purl.clone(),
    });
    Package {
        id: reference(id),
        name: component.name.clone(),
        version_info: component.version.clone(),
        package_file_name: None,
        supplier: component.supplier.clone(),
        download_location: component.download.clone(),
        files_analyzed: false,
        package_verification_code: None,
        checksums: sums.collect(),
        source_info: format!("source: {}", component.obtain),
        license_concluded: component.licence.clone(),
        license_declared: component.licence.clone(),
        copyright_text: NO_ASSERTION,
        comment: component.remark.clone(),
        external_refs: purl.collect(),
    }
}

fn file(path: &str, entry: &Entry, components: &Components) -> File {
    let mut licences: Vec<&str> = entry
        .made_of
        .iter()
        .filter_map(|(_, id)| components.get(id))
        .map(|component| component.licence.as_str())
        .collect();
    licences.sort_unstable();
    licences.dedup();
    let concluded = match licences[..] {
        _ if licences.contains(&NO_ASSERTION) => NO_ASSERTION.to_owned(),
        [one] => one.to_owned(),
        _ => licences.iter().map(|l| format!("({l})")).collect::<Vec<_>>().join(" AND "),
    };
    File {
        id: file_reference(path),
        file_name: format!("./{path}"),
        checksums: checksums(&entry.digests),
        license_concluded: concluded,
        license_info_in_files: [NO_ASSERTION],
        copyright_text: NO_ASSERTION,
    }
}

fn checksums(digests: &Digests) -> Vec<Checksum> {
    let Digests { sha1, sha256 } = digests;
    [("SHA1", sha1), ("SHA256", sha256)]
        .map(|(algorithm, value)| Checksum { algorithm, checksum_value: value.clone() })
        .into()
}

/// Document describes image, image contains files, files come from components.
fn relationships(inventory: &Inventory, components: &Components) -> Vec<Relationship> {
    let relation = |from: &str, kind, to: String| Relationship {
        spdx_element_id: from.to_owned(),
        relationship_type: kind,
        related_spdx_element: to,
    };
    let mut all = vec![relation(DOCUMENT, "DESCRIBES", IMAGE.into())];
    let parts = components.iter().map(|(id, _)| reference(id.as_str()));
    all.extend(parts.map(|part| relation(IMAGE, "CONTAINS", part)));
    for (path, entry) in inventory.iter() {
        let file = file_reference(path);
        if entry.inside {
            all.push(relation(IMAGE, "CONTAINS", file.clone()));
        }
        for (origin, component) in &entry.made_of {
            let kind = match (entry.inside, origin) {
                (false, _) => "PATCH_FOR",
                (true, Origin::Unpacked) => "EXPANDED_FROM_ARCHIVE",
                (true, Origin::Made) => "GENERATED_FROM",
                (true, Origin::Linked) => "STATIC_LINK",
                (true, Origin::Given) => "COPY_OF",
            };
            all.push(relation(&file, kind, reference(component.as_str())));
        }
    }
    all
}

fn reference(id: &str) -> String {
    format!("SPDXRef-{id}")
}

/// Two paths that differ only in what an identifier cannot hold must not meet.
fn file_reference(path: &str) -> String {
    let digest = Digests::of(path.as_bytes()).sha256;
    format!("SPDXRef-File-{}-{}", plain(path), &digest[..8])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;
    use crate::component::testing::component;

    fn example() -> Value {
        let mut components = Components::default();
        let library = components.add("crate", component("a_library"));
        let kernel = components.add("kernel", component("kernel"));
        let mut inventory = Inventory::default();
        let linked = vec![(Origin::Linked, library.clone()), (Origin::Linked, kernel.clone())];
        inventory.add("system/x y.elf", b"x", linked.clone()).unwrap();
        inventory.add("system/x_y.elf", b"y", linked).unwrap();
        inventory.add_input("patches/1.patch", b"p", vec![(Origin::Made, kernel)]).unwrap();
        let digests = Digests::of(b"image");
        let subject = Subject {
            file: "system.iso",
            digests: &digests,
            components: &components,
            inventory: &inventory,
        };
        let text = document(&subject).unwrap();
        assert_eq!(text, document(&subject).unwrap(), "the same image gives the same bytes");
        serde_json::from_str(&text).unwrap()
    }

    fn texts<'a>(document: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
        let list = document[list].as_array().unwrap();
        list.iter().map(|element| element[field].as_str().unwrap()).collect()
    }

    #[test]
    fn every_relationship_is_between_elements_that_are_there_once() {
        let document = example();
        let mut ids = vec![DOCUMENT];
        ids.extend(texts(&document, "packages", "SPDXID"));
        ids.extend(texts(&document, "files", "SPDXID"));
        let known: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(known.len(), ids.len(), "{ids:?}");
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        for id in ids {
            assert!(id.strip_prefix("SPDXRef-").unwrap().chars().all(allowed), "{id}");
        }
        for field in ["spdxElementId", "relatedSpdxElement"] {
            for end in texts(&document, "relationships", field) {
                assert!(known.contains(end), "{end}");
            }
        }
    }

    #[test]
    fn the_image_contains_its_files_and_components_and_no_input() {
        let document = example();
        let relationships = document["relationships"].as_array().unwrap();
        let contained: Vec<&str> = relationships
            .iter()
            .filter(|r| r["spdxElementId"] == IMAGE && r["relationshipType"] == "CONTAINS")
            .map(|r| r["relatedSpdxElement"].as_str().unwrap())
            .collect();
        assert_eq!(contained.len(), 4, "{contained:?}");
        assert!(!contained.iter().any(|id| id.contains("patch")), "{contained:?}");
        let patched = relationships.iter().any(|r| r["relationshipType"] == "PATCH_FOR");
        assert!(patched);
    }

    #[test]
    fn a_file_of_several_components_is_under_all_their_licences() {
        let mut components = Components::default();
        let mut other = component("b");
        other.licence = "MIT OR Apache-2.0".into();
        let linked = [component("a"), other].map(|c| (Origin::Linked, components.add("crate", c)));
        let mut inventory = Inventory::default();
        inventory.add("x", b"x", linked.into()).unwrap();
        let (path, entry) = inventory.iter().next().unwrap();
        assert_eq!(
            file(path, entry, &components).license_concluded,
            "(MIT) AND (MIT OR Apache-2.0)"
        );
    }
}

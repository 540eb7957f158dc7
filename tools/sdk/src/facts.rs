//! What a kernel was configured to be, from the SDK's `gen_config.json`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{SdkError, files::read};

/// The file has a few hundred lines.
const LIMIT: u64 = 1 << 20;

/// What a kernel was configured to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Processor architecture, such as `x86_64`.
    pub architecture: String,
    /// Whether it runs virtual machines.
    pub machines: bool,
    /// Whether these can be 64-bit.
    pub machines_64: bool,
    /// Whether it schedules by budgets (MCS).
    pub mcs: bool,
    /// Whether it prints, on its own serial port.
    pub prints: bool,
    /// Processors that it can run on.
    pub cores: u8,
    /// Scheduling domains.
    pub domains: u16,
    /// Length of its domain schedule.
    pub schedule: u64,
}

impl Facts {
    /// Reads them.
    ///
    /// # Errors
    /// The file is not there, too large, no JSON, or lacks one of them.
    pub(crate) fn read(path: &Path) -> Result<Facts, SdkError> {
        let bytes = read(path, LIMIT)?;
        let bad = |why: String| SdkError::Configuration { path: path.to_owned(), why };
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        let Value::Object(settings) = value else { return Err(bad("it is no object".into())) };
        let settings = Settings { settings, path: path.to_owned() };
        let cores = if settings.flag("ENABLE_SMP_SUPPORT")? {
            settings.number("MAX_NUM_NODES")?
        } else {
            1
        };
        Ok(Facts {
            architecture: settings.text("SEL4_ARCH")?,
            // Kernels for other processors do not have these two.
            machines: settings.flag_or("VTX", false)?,
            machines_64: settings.flag_or("X86_64_VTX_64BIT_GUESTS", false)?,
            mcs: settings.flag("KERNEL_MCS")?,
            prints: settings.flag("PRINTING")?,
            cores,
            domains: settings.number("NUM_DOMAINS")?,
            schedule: settings.number("NUM_DOMAIN_SCHEDULES")?,
        })
    }
}

/// Settings of a kernel. Numbers are texts there.
struct Settings {
    settings: Map<String, Value>,
    path: PathBuf,
}

impl Settings {
    fn bad(&self, name: &str, wanted: &str) -> SdkError {
        let why = match self.settings.get(name) {
            None => format!("it does not have the setting {name}"),
            Some(_) => format!("its setting {name} is no {wanted}"),
        };
        SdkError::Configuration { path: self.path.clone(), why }
    }

    fn flag(&self, name: &str) -> Result<bool, SdkError> {
        self.settings
            .get(name)
            .and_then(Value::as_bool)
            .ok_or_else(|| self.bad(name, "truth value"))
    }

    fn flag_or(&self, name: &str, otherwise: bool) -> Result<bool, SdkError> {
        if self.settings.contains_key(name) { self.flag(name) } else { Ok(otherwise) }
    }

    fn text(&self, name: &str) -> Result<String, SdkError> {
        let text = self.settings.get(name).and_then(Value::as_str);
        let plain = |text: &&str| {
            text.len() <= 32 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        text.filter(plain).map(String::from).ok_or_else(|| self.bad(name, "short word"))
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<T, SdkError> {
        let number: Option<u64> = match self.settings.get(name) {
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Number(number)) => number.as_u64(),
            Some(_) | None => None,
        };
        let fitting = number.filter(|number| *number > 0).and_then(|number| number.try_into().ok());
        fitting.ok_or_else(|| self.bad(name, "number in its range"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = r#"{"SEL4_ARCH": "x86_64", "VTX": true, "X86_64_VTX_64BIT_GUESTS": true,
        "KERNEL_MCS": true, "PRINTING": false, "ENABLE_SMP_SUPPORT": true, "MAX_NUM_NODES": "16",
        "NUM_DOMAINS": "16", "NUM_DOMAIN_SCHEDULES": "100"}"#;

    fn facts(text: &str) -> Result<Facts, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gen_config.json");
        fs::write(&path, text).unwrap();
        Facts::read(&path).map_err(|error| format!("{error}"))
    }

    #[test]
    fn numbers_may_be_texts() {
        let facts = facts(GOOD).unwrap();
        assert_eq!((facts.cores, facts.domains, facts.schedule), (16, 16, 100));
        assert!(facts.machines && facts.machines_64 && facts.mcs && !facts.prints);
    }

    #[test]
    fn without_smp_there_is_one_core_whatever_its_number_says() {
        let single =
            GOOD.replace(r#""ENABLE_SMP_SUPPORT": true"#, r#""ENABLE_SMP_SUPPORT": false"#);
        assert_eq!(facts(&single).unwrap().cores, 1);
    }

    #[test]
    fn what_is_missing_or_of_another_kind_is_named() {
        for (from, to, why) in [
            (r#""KERNEL_MCS": true"#, r#""OTHER": true"#, "does not have the setting KERNEL_MCS"),
            (r#""VTX": true"#, r#""VTX": "yes""#, "setting VTX is no truth value"),
            (r#""NUM_DOMAINS": "16""#, r#""NUM_DOMAINS": "-1""#, "NUM_DOMAINS is no number"),
            (r#""MAX_NUM_NODES": "16""#, r#""MAX_NUM_NODES": 4096"#, "MAX_NUM_NODES is no number"),
            (
                r#""SEL4_ARCH": "x86_64""#,
                r#""SEL4_ARCH": "\u001b[2J""#,
                "SEL4_ARCH is no short word",
            ),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            let error = facts(&text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        for text in ["", "[]", "{", "\"x\"", &"[".repeat(100_000)] {
            assert!(facts(text).is_err());
        }
    }
}

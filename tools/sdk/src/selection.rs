//! One board of an SDK in one configuration.

use std::path::{Path, PathBuf};

use crate::{
    Facts, Kernel, Sdk, SdkError,
    files::{Kind, demand_elf},
    folder::{folders, is_name},
};

/// The board: a PC whose processor has VT-x.
pub const BOARD: &str = "x86_64_generic_vtx";

/// Holding it means: the board is one for x86-64 that is known here, and in this
/// configuration has a kernel with MCS and 64-bit guests, and every file that the tool reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection {
    sdk: Sdk,
    configuration: String,
    folder: PathBuf,
    facts: Facts,
    kernel: Kernel,
}

/// Files besides the kernel that the tool reads, below a configuration's folder.
const PROGRAMS: [(&str, &str); 2] =
    [("elf/initialiser.elf", "the SDK's initialiser"), ("elf/monitor.elf", "the SDK's monitor")];
const TABLES: [(&str, &str); 3] = [
    ("invocations_all.json", "the SDK's list of kernel calls"),
    ("object_sizes.json", "the SDK's list of object sizes"),
    ("address_space_constants.json", "the SDK's description of address spaces"),
];

impl Selection {
    pub(crate) fn of(
        sdk: &Sdk,
        board: &str,
        configuration: &str,
        kernel: Option<&Path>,
    ) -> Result<Selection, SdkError> {
        let boards = sdk.root().join("board");
        let there = boards.join(board);
        if !is_name(board) || !there.is_dir() {
            return Err(SdkError::NoBoard {
                path: sdk.root().to_owned(),
                board: board.to_owned(),
                found: folders(&boards),
            });
        }
        let folder = there.join(configuration);
        if !is_name(configuration) || !folder.is_dir() {
            return Err(SdkError::NoConfiguration {
                path: sdk.root().to_owned(),
                board: board.to_owned(),
                configuration: configuration.to_owned(),
                found: folders(&there),
            });
        }
        let facts_file = folder.join("include/kernel/gen_config.json");
        if !facts_file.is_file() {
            return Err(SdkError::Missing { path: facts_file, role: "the kernel's configuration" });
        }
        let facts = Facts::read(&facts_file)?;
        if facts.architecture != "x86_64" {
            let architecture = facts.architecture;
            return Err(SdkError::Foreign { board: board.to_owned(), architecture });
        }
        if !facts.machines {
            return Err(SdkError::NoMachines { board: board.to_owned() });
        }
        if board != BOARD {
            return Err(SdkError::Unknown { board: board.to_owned() });
        }
        let names = || (board.to_owned(), configuration.to_owned());
        if !facts.machines_64 {
            let (board, configuration) = names();
            return Err(SdkError::No64BitGuests { board, configuration });
        }
        if !facts.mcs {
            let (board, configuration) = names();
            return Err(SdkError::NoMcs { board, configuration });
        }
        for (name, role) in PROGRAMS {
            demand_elf(folder.join(name), role, Kind::KERNEL)?;
        }
        for (name, role) in TABLES {
            let path = folder.join(name);
            if !path.is_file() {
                return Err(SdkError::Missing { path, role });
            }
        }
        let kernel = match kernel {
            Some(given) => Kernel::given(given)?,
            None => Kernel::of_sdk(&folder)?,
        };
        let configuration = configuration.to_owned();
        Ok(Selection { sdk: sdk.clone(), configuration, folder, facts, kernel })
    }

    /// Whether its kernel can run this many virtual machines.
    ///
    /// # Errors
    /// They are several, or it is for several processors, and it mishandles
    /// them. A kernel that the user gives is believed to take them, for whoever
    /// builds one knows why.
    pub fn admit(&self, machines: usize) -> Result<(), SdkError> {
        if machines > 0 && self.facts.cores > 1 && !self.kernel.is_given() {
            return Err(SdkError::MachineOnProcessors {
                configuration: self.configuration.clone(),
            });
        }
        if machines > 1 && !self.kernel.takes_several() && !self.kernel.is_given() {
            return Err(SdkError::SeveralMachines {
                machines,
                kernel: self.kernel.elf().to_owned(),
            });
        }
        Ok(())
    }

    /// The SDK.
    pub fn sdk(&self) -> &Sdk {
        &self.sdk
    }

    /// The board's name.
    pub fn board(&self) -> &'static str {
        BOARD
    }

    /// The configuration's name.
    pub fn configuration(&self) -> &str {
        &self.configuration
    }

    /// Where the board has what belongs to this configuration.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the SDK's kernel was configured to be.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Every file that decides what the tool makes, besides the system's own.
    pub fn inputs(&self) -> Vec<PathBuf> {
        let names = PROGRAMS.iter().chain(&TABLES).map(|(name, _)| self.folder.join(name));
        let mut inputs: Vec<PathBuf> = names.collect();
        inputs.push(self.folder.join("include/kernel/gen_config.json"));
        inputs.push(self.kernel.elf().to_owned());
        inputs.push(self.sdk.tool().to_owned());
        inputs
    }
}

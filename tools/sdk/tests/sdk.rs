//! What is refused of an SDK, and how its tool is called: with one that the test
//! makes, whole or with one thing wrong.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use bulkhead_sdk::{
    BOARD, Image, Job, Sdk, SdkError, Selection,
    fake::{CONFIGURATION, Fake, elf},
};
use tempfile::TempDir;

fn fake() -> (TempDir, Fake) {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::make(&folder.path().join("an sdk"));
    (folder, fake)
}

fn select(fake: &Fake) -> Result<Selection, SdkError> {
    Sdk::open(fake.root())?.select(BOARD, "release", None)
}

/// What a change to a whole SDK leads to.
fn refused(change: impl FnOnce(&Fake)) -> SdkError {
    let (_folder, fake) = fake();
    select(&fake).unwrap();
    change(&fake);
    select(&fake).unwrap_err()
}

#[test]
fn a_whole_sdk_is_taken() {
    let (_folder, fake) = fake();
    let selection = select(&fake).unwrap();
    assert_eq!(selection.board(), BOARD);
    assert_eq!(selection.sdk().version().to_string(), "2.3.0");
    assert_eq!(selection.facts().cores, 1);
    assert!(!selection.kernel().is_given());
}

#[test]
fn what_is_no_folder_of_an_sdk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Sdk::open(&folder.path().join(name)).unwrap_err();
    assert!(matches!(open("nowhere"), SdkError::NotThere { .. }));
    fs::write(folder.path().join("sdk.tar.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    let SdkError::NotFolder { found, .. } = open("sdk.tar.gz") else { panic!() };
    assert_eq!(found, "an archive");
    fs::write(folder.path().join("text"), "text").unwrap();
    assert!(matches!(open("text"), SdkError::NotFolder { .. }));
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(matches!(open("empty"), SdkError::NotSdk { why, .. } if why.contains("empty")));
    fs::create_dir_all(folder.path().join("other/src")).unwrap();
    assert!(matches!(open("other"), SdkError::NotSdk { why, .. } if why.contains("VERSION")));
}

#[test]
fn another_release_is_refused_with_what_it_lacks() {
    for (release, lack) in [("2.2.0", "seL4 15"), ("1.4.1", "x86-64"), ("2.4.0", "later release")] {
        let error = refused(|fake| fake.write("VERSION", release.as_bytes()));
        assert!(matches!(error, SdkError::Release { .. }));
        let text = error.to_string();
        assert!(text.contains(release) && text.contains("2.3") && text.contains(lack), "{text}");
    }
    assert!(matches!(refused(|fake| fake.write("VERSION", b"latest")), SdkError::NotSdk { .. }));
    let endless = refused(|fake| fake.write("VERSION", &[b'1'; 100_000]));
    assert!(matches!(endless, SdkError::TooLarge { .. }), "{endless}");
}

#[test]
fn a_tool_that_cannot_run_here_is_refused() {
    let why = |change: &dyn Fn(&Fake)| match refused(change) {
        SdkError::Tool { why, cure, .. } => format!("{why}; {cure}"),
        other => panic!("{other}"),
    };
    assert!(why(&|fake| fake.remove("bin/microkit")).contains("not there"));
    let dull = |fake: &Fake| {
        let none = fs::Permissions::from_mode(0o644);
        fs::set_permissions(fake.path("bin/microkit"), none).unwrap();
    };
    assert!(why(&dull).contains("chmod +x"));
    assert!(why(&|fake| fake.write("bin/microkit", &elf(2, 183))).contains("AArch64"));
    let mac = [0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1];
    assert!(why(&|fake| fake.write("bin/microkit", &mac)).contains("macOS"));
    assert!(why(&|fake| fake.write("bin/microkit", b"")).contains("linux-x86-64"));
}

#[test]
fn a_board_or_configuration_that_is_not_there_is_refused_with_what_is() {
    let (_folder, fake) = fake();
    let sdk = Sdk::open(fake.root()).unwrap();
    let error =
        |board, configuration| sdk.select(board, configuration, None).unwrap_err().to_string();
    assert!(error("odroidc4", "release").ends_with("it has x86_64_generic_vtx"));
    assert!(error(BOARD, "smp-release").ends_with("it has debug, release"));
    for hostile in ["", "..", "../board/x86_64_generic_vtx", "/", "a\0b", "-h"] {
        assert!(matches!(sdk.select(hostile, "release", None), Err(SdkError::NoBoard { .. })));
        let configuration = sdk.select(BOARD, hostile, None);
        assert!(matches!(configuration, Err(SdkError::NoConfiguration { .. })), "{hostile:?}");
    }
    fake.remove("board/x86_64_generic_vtx");
    assert!(error(BOARD, "release").ends_with("it has none"));
}

#[test]
fn a_board_for_other_processors_or_unknown_is_refused() {
    let (_folder, fake) = fake();
    fake.add("odroidc4", "release", &CONFIGURATION.replace("x86_64", "aarch64"));
    fake.add("laptop", "release", CONFIGURATION);
    let sdk = Sdk::open(fake.root()).unwrap();
    let arm = sdk.select("odroidc4", "release", None).unwrap_err();
    assert!(arm.to_string().contains("for aarch64 processors"), "{arm}");
    assert!(matches!(sdk.select("laptop", "release", None), Err(SdkError::Unknown { .. })));
}

#[test]
fn every_file_that_the_tool_reads_is_looked_for() {
    for name in [
        "elf/initialiser.elf",
        "elf/monitor.elf",
        "elf/sel4.elf",
        "elf/sel4_32.elf",
        "invocations_all.json",
        "object_sizes.json",
        "address_space_constants.json",
        "include/kernel/gen_config.json",
    ] {
        let path = format!("board/{BOARD}/release/{name}");
        let error = refused(|fake| fake.remove(&path));
        assert!(matches!(error, SdkError::Missing { .. }) && error.to_string().contains(name));
    }
    let elf_32 =
        |fake: &Fake| fake.write(&format!("board/{BOARD}/release/elf/sel4.elf"), &elf(1, 3));
    let error = refused(elf_32);
    assert!(error.to_string().contains("a 32-bit ELF file for x86, not a 64-bit"), "{error}");
}

#[test]
fn a_kernel_that_runs_no_64_bit_guests_or_has_no_budgets_is_refused() {
    let with = |setting: &str| {
        let settings =
            CONFIGURATION.replace(&format!("{setting}\": true"), &format!("{setting}\": false"));
        assert_ne!(settings, CONFIGURATION);
        refused(|fake| fake.add(BOARD, "release", &settings))
    };
    assert!(matches!(with("\"VTX"), SdkError::NoMachines { .. }));
    assert!(matches!(with("GUESTS"), SdkError::No64BitGuests { .. }));
    assert!(matches!(with("MCS"), SdkError::NoMcs { .. }));
}

#[test]
fn the_sdk_s_kernel_takes_one_machine_and_not_two() {
    let (_folder, fake) = fake();
    let selection = select(&fake).unwrap();
    selection.admit(0).unwrap();
    selection.admit(1).unwrap();
    let error = selection.admit(2).unwrap_err();
    assert!(error.to_string().contains("pull request 1732"), "{error}");
}

#[test]
fn the_sdk_s_kernel_for_several_processors_takes_no_machine() {
    let (_folder, fake) = fake();
    let settings = CONFIGURATION.replace(
        r#""ENABLE_SMP_SUPPORT": false, "MAX_NUM_NODES": "1""#,
        r#""ENABLE_SMP_SUPPORT": true, "MAX_NUM_NODES": "16""#,
    );
    assert_ne!(settings, CONFIGURATION);
    fake.add(BOARD, "smp-release", &settings);
    let sdk = Sdk::open(fake.root()).unwrap();
    let selection = sdk.select(BOARD, "smp-release", None).unwrap();
    selection.admit(0).unwrap();
    let error = selection.admit(1).unwrap_err();
    assert!(error.to_string().contains("GS base"), "{error}");
}

/// A program that objcopy takes for a kernel: any ELF file does.
fn some_kernel(folder: &Path) -> std::path::PathBuf {
    let (source, kernel) = (folder.join("k.c"), folder.join("kernel.elf"));
    fs::write(&source, "void _start(void) {}\n").unwrap();
    let built = std::process::Command::new("gcc")
        .args(["-nostdlib", "-static", "-o"])
        .args([&kernel, &source])
        .status();
    assert!(built.unwrap().success());
    kernel
}

#[test]
fn a_kernel_that_the_user_gives_may_run_several_machines() {
    let (folder, fake) = fake();
    let kernel = some_kernel(folder.path());
    let sdk = Sdk::open(fake.root()).unwrap();
    let selection = sdk.select(BOARD, "release", Some(&kernel)).unwrap();
    selection.admit(2).unwrap();
    assert!(selection.inputs().contains(&kernel), "another kernel makes another image");
}

fn call(
    selection: &Selection,
    folder: &Path,
    search: &[std::path::PathBuf],
) -> Result<Image, SdkError> {
    let out = folder.join("out");
    fs::create_dir_all(&out).unwrap();
    let description = folder.join("system.xml");
    selection.call(&Job {
        description: &description,
        search,
        out: &out,
        scratch: &folder.join("scratch"),
    })
}

fn arguments(folder: &Path) -> Vec<String> {
    let noted = fs::read_to_string(folder.join("out/arguments")).unwrap();
    noted.lines().map(String::from).collect()
}

#[test]
fn the_tool_is_told_board_configuration_places_and_its_sdk() {
    let (folder, fake) = fake();
    let selection = select(&fake).unwrap();
    let search = [folder.path().join("a b"), folder.path().join("c")];
    let image = call(&selection, folder.path(), &search).unwrap();
    assert_eq!(fs::read(&image.loader).unwrap(), b"loader\n");
    assert!(image.kernel.is_file() && image.kernel32.is_file());
    let at = |name: &str| folder.path().canonicalize().unwrap().join(name).display().to_string();
    let expected = [
        &folder.path().join("system.xml").display().to_string(),
        "--board",
        BOARD,
        "--config",
        "release",
        "-o",
        &folder.path().join("out/loader.img").display().to_string(),
        "-r",
        &folder.path().join("out/report.txt").display().to_string(),
        "--search-path",
        &search[0].display().to_string(),
        &search[1].display().to_string(),
    ];
    let mut expected: Vec<String> = expected.map(|word| format!("argument {word}")).into();
    expected.push(format!("from {}", at("an sdk")));
    assert_eq!(arguments(folder.path()), expected);
}

#[test]
fn the_user_s_kernel_reaches_the_tool_in_both_forms() {
    let (folder, fake) = fake();
    let kernel = some_kernel(folder.path());
    let sdk = Sdk::open(fake.root()).unwrap();
    let selection = sdk.select(BOARD, "release", Some(&kernel)).unwrap();
    let image = call(&selection, folder.path(), &[]).unwrap();
    assert_eq!(fs::read(&image.kernel).unwrap(), fs::read(&kernel).unwrap());
    assert_eq!(fs::read(&image.kernel32).unwrap()[4], 1, "of 32 bits");
    assert!(arguments(folder.path()).contains(&"argument --override-kernel".to_owned()));
}

#[test]
fn a_refusal_and_a_breakdown_are_told_apart_and_shown_whole() {
    let (folder, fake) = fake();
    let selection = select(&fake).unwrap();
    let run = |script: &str| {
        fake.write_tool(script);
        call(&selection, folder.path(), &[]).unwrap_err()
    };
    let lines: String = (1..100).map(|n| format!("line {n}\n")).collect();
    let error =
        run(&format!("#!/bin/sh\ncat >&2 <<END\nError: bad\x1b[31m red\n{lines}END\nexit 1\n"));
    let SdkError::Refused { said, command, .. } = error else { panic!("{error}") };
    assert!(said.starts_with("Error: bad[31m red\nline 1\n") && said.ends_with("line 99"));
    assert!(command.contains("MICROKIT_SDK='") && command.contains("--board x86_64_generic_vtx"));
    let error = run("#!/bin/sh\necho thread main panicked >&2\nexit 101\n");
    assert!(matches!(&error, SdkError::Crashed { said, .. } if said.contains("panicked")));
    let error = run("#!/bin/sh\nkill -SEGV $$\n");
    assert!(matches!(&error, SdkError::Crashed { said, .. } if said.contains("said nothing")));
    let error = run("#!/bin/sh\nexit 0\n");
    assert!(matches!(error, SdkError::NoOutput { .. }), "it claims to have written");
    let error = run("#!/nowhere/sh\n");
    assert!(matches!(error, SdkError::Tool { .. }), "{error}");
}

#[test]
fn what_the_tool_says_is_bounded() {
    let (folder, fake) = fake();
    let selection = select(&fake).unwrap();
    fake.write_tool("#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x >&2\nexit 1\n");
    let error = call(&selection, folder.path(), &[]).unwrap_err();
    assert!(error.to_string().len() < 100_000);
}

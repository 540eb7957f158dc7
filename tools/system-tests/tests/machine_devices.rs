//! The devices that a machine has on request: a disk and a network card, which
//! are the same to a driver whoever provides the machine.

use std::{fs, path::PathBuf, time::Duration};

use bulkhead_machine::{Accelerator, Config, DISK_UNIT, Machine, MachineError, Network, Runner};
use system_tests::{BareImage, Session};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(120);

/// A disk of so many units with this at its beginning, in a folder of its own.
fn disk(units: u64, beginning: &[u8]) -> (PathBuf, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("disk.img");
    fs::write(&path, beginning).expect("the disk can be written");
    let file = fs::File::options().write(true).open(&path).expect("it was just made");
    file.set_len(units * DISK_UNIT).expect("it can grow");
    (path, folder)
}

/// What drivers of a disk and a card rely on: the PIIX's second channel, and the
/// card's place and interrupt line.
///
/// Says the sectors that the disk claims, what its first sector begins with,
/// then the card's identity, its first address register and its interrupt line;
/// and writes the second sector.
fn probe() -> BareImage {
    BareImage::new(
        "       .macro  hexadecimal
                movl    $8, %ecx
        66:     roll    $4, %ebx
                movl    %ebx, %eax
                andl    $15, %eax
                movb    digits(%eax), %al
                serial_put COM1
                loop    66b
                .endm
                .macro  configuration address
                movl    $\\address, %eax
                movw    $0xcf8, %dx
                outl    %eax, %dx
                movw    $0xcfc, %dx
                inl     %dx, %eax
                movl    %eax, %ebx
                .endm
                .macro  out8 port value
                movw    $\\port, %dx
                movb    $\\value, %al
                outb    %al, %dx
                .endm
                # Until the device is not busy and is ready for data.
                .macro  data_ready
                movw    $0x177, %dx
        55:     inb     %dx, %al
                testb   $0x80, %al
                jnz     55b
                testb   $8, %al
                jz      55b
                .endm
                .macro  sector number command
                out8    0x172, 1
                out8    0x173, \\number
                out8    0x174, 0
                out8    0x175, 0
                out8    0x176, 0xe0
                out8    0x177, \\command
                data_ready
                movw    $0x170, %dx
                movl    $256, %ecx
                .endm

                serial_start COM1
                cld
                sector  0, 0xec
                movl    $0x200000, %edi
                rep     insw
                movl    0x200000 + 2 * 60, %ebx
                hexadecimal
                sector  0, 0x20
                movl    $0x200000, %edi
                rep     insw
                movl    $0x200000, %esi
        1:      lodsb
                testb   %al, %al
                jz      2f
                serial_put COM1
                jmp     1b
        2:      sector  1, 0x30
        3:      movw    $0x4b42, %ax
                outw    %ax, %dx
                loop    3b
                movw    $0x177, %dx
        4:      inb     %dx, %al
                testb   $0x80, %al
                jnz     4b
                configuration 0x80001000
                hexadecimal
                configuration 0x80001010
                hexadecimal
                configuration 0x8000103c
                hexadecimal
                movb    $'.', %al
                serial_put COM1
                serial_drain COM1
                power_off
        5:      jmp     5b
        digits: .ascii  \"0123456789abcdef\"",
    )
}

fn the_disk_is_the_second_channels_and_the_card_is_in_slot_2(runner: Runner, name: &str) {
    let (disk, _folder) = disk(5, b" hello ");
    let image = probe();
    let network = Some(Network::default());
    let config =
        Config { runner, disk: Some(disk.clone()), network, ..Config::new(image.path(), "") };
    let mut session = Session::start(name, config);
    let said = session.expect("([^.]*)\\.", LIMIT);
    session.expect_end(LIMIT);
    let words: Vec<&str> = said.split(' ').collect();
    let [sectors, "hello", card] = words[..] else { panic!("{said}") };
    assert_eq!(sectors, "00000a00", "5 times 512 sectors");
    let (identity, rest) = card.split_at(8);
    assert_eq!(identity, "100e8086", "{card}");
    // Where SeaBIOS puts it, and the line to which it connects pin A.
    assert_eq!(rest, "febe00000000010a", "{card}");
    let written = fs::read(disk).expect("the disk is there");
    assert_eq!(written.get(512..1024), Some(&b"BK".repeat(256)[..]));
}

#[test]
fn the_disk_and_the_card_are_the_same_in_bochs() {
    let bochs = Runner::default();
    the_disk_is_the_second_channels_and_the_card_is_in_slot_2(bochs, "devices-bochs");
}

#[test]
fn the_disk_and_the_card_are_the_same_in_qemu() {
    let qemu = Runner::Qemu(Accelerator::Tcg);
    the_disk_is_the_second_channels_and_the_card_is_in_slot_2(qemu, "devices-qemu");
}

#[test]
fn a_disk_that_cannot_be_one_is_named_with_the_reason() {
    let image = BareImage::new("1: jmp 1b");
    let logs = tempfile::tempdir().expect("a temporary folder");
    let refused = |path: PathBuf| {
        let config = Config { disk: Some(path.clone()), ..Config::new(image.path(), logs.path()) };
        match Machine::start(config, |_| {}) {
            Err(MachineError::Disk { path: named, why }) if named == path => why.to_string(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{} was taken", path.display()),
        }
    };
    let (odd, _folder) = disk(1, b"");
    let file = fs::File::options().write(true).open(&odd).expect("it was just made");
    file.set_len(DISK_UNIT + 512).expect("it can grow");
    assert!(refused(odd.clone()).contains("262656 bytes are not a multiple of 262144"));
    file.set_len(0).expect("it can shrink");
    assert!(refused(odd).contains("not a multiple"));
    assert!(refused("/no/such.img".into()).contains("No such file"));
    assert!(refused(logs.path().to_owned()).contains("not a regular file"));
}

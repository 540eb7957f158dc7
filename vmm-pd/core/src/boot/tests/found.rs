//! What is no kernel is named.

use super::*;
use std::string::ToString;

/// An image that begins so.
fn beginning(bytes: &[u8]) -> Vec<u8> {
    let mut image = std::vec![0; 4096];
    put(&mut image, 0, bytes);
    image
}

#[test]
fn each_wrong_image_is_named_with_a_cure() {
    let mut arm = beginning(b"MZ");
    put(&mut arm, 0x38, b"ARM\x64");
    let mut disk = beginning(b"\xEB\x3C\x90");
    put(&mut disk, 0x1FE, &[0x55, 0xAA]);
    for (image, cause, cure) in [
        (beginning(b""), "empty", "path"),
        (Vec::new(), "empty", "path"),
        (beginning(b"\x1F\x8B\x08"), "gzip", "unpack it"),
        (beginning(b"\xFD7zXZ\0"), "xz", "unpack it"),
        (beginning(b"\x28\xB5\x2F\xFD"), "zstd", "unpack it"),
        (beginning(b"\x02\x21\x4C\x18"), "lz4", "unpack it"),
        (beginning(b"070701"), "initial RAM disk", "vmlinux"),
        (beginning(b"!<arch>\ndebian"), "Debian package", "vmlinux"),
        (beginning(b"MZ\x90"), "EFI or Windows", "vmlinux"),
        (arm, "arm64", "vmlinux"),
        (disk, "boot sector", "vmlinux"),
        (beginning(b"abcd"), "61 62 63 64", "vmlinux"),
    ] {
        let text = refusal(&image).to_string();
        assert!(text.contains(cause), "{text}");
        assert!(text.contains(cure), "{text}");
    }
}

#[test]
fn images_of_a_few_bytes_are_survived() {
    for length in 0..0x300 {
        for head in [&b"\x7FELF\x02\x01\x01"[..], b"MZ", b"x"] {
            let mut image = std::vec![0; length];
            let n = head.len().min(length);
            image[..n].copy_from_slice(&head[..n]);
            refusal(&image);
        }
    }
}

//! Images are what they should be, by the judgement of others' programs.

use std::{fs, path::Path, process::Command};

use bulkhead_disk::{Disk, DiskError, Layout, contents, create, find};

fn layout(names: &[&str]) -> Layout {
    Layout { partitions: names.iter().map(|n| (*n).into()).collect(), size: 8 << 20 }
}

/// e2fsck's opinion of a partition.
fn is_clean(image: &Path, name: &str) {
    let partition = find(image, name).unwrap().expect("the partition is there");
    let copy = tempfile::NamedTempFile::new().unwrap();
    fs::write(copy.path(), contents(image, &partition).unwrap()).unwrap();
    let fsck = Command::new("/sbin/e2fsck").args(["-f", "-n"]).arg(copy.path()).output().unwrap();
    let said = String::from_utf8_lossy(&fsck.stdout);
    assert!(fsck.status.success(), "{said}");
}

#[test]
fn each_partition_holds_a_clean_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    create(&image, &layout(&["a", "b"])).unwrap();
    is_clean(&image, "a");
    is_clean(&image, "b");
    let (a, b) = (find(&image, "a").unwrap().unwrap(), find(&image, "b").unwrap().unwrap());
    assert_eq!((a.start, a.length, b.start), (1 << 20, 8 << 20, 9 << 20));
    assert_eq!(find(&image, "c").unwrap(), None);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn the_same_request_gives_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let images = ["one", "two"].map(|name| {
        let image = folder.path().join(name);
        create(&image, &layout(&["debian"])).unwrap();
        fs::read(image).unwrap()
    });
    assert!(images[0] == images[1]);
    let other = folder.path().join("three");
    create(&other, &layout(&["other"])).unwrap();
    assert!(images[0] != fs::read(other).unwrap());
}

#[test]
fn sizes_that_hold_no_file_system_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for size in [0, 1 << 20, (8 << 20) + 512] {
        let layout = Layout { size, ..layout(&["a"]) };
        let refused = create(&folder.path().join("disk.img"), &layout).unwrap_err();
        assert!(matches!(refused, DiskError::Size(s) if s == size));
    }
}

#[test]
fn a_disk_has_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    create(&image, &layout(&["a"])).unwrap();
    let held = Disk::open(&image).unwrap();
    assert!(matches!(Disk::open(&image), Err(DiskError::InUse { .. })));
    drop(held);
    Disk::open(&image).unwrap();
}

#[test]
fn what_is_no_disk_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.img");
    let said = Disk::open(&missing).unwrap_err().to_string();
    assert!(said.contains("missing.img"), "{said}");
    let text = folder.path().join("text");
    fs::write(&text, vec![b'x'; 1 << 20]).unwrap();
    assert!(matches!(find(&text, "a"), Err(DiskError::Table { .. })));
}

//! The page that says what disk it is.

use sddf::block::{InfoSink, InfoSource, StorageInfo};
use shmem::Region;

fn info() -> StorageInfo {
    StorageInfo {
        read_only: true,
        sector_size: 4096,
        block_size: 8,
        queue_depth: 32,
        cylinders: 1,
        heads: 2,
        sectors: 3,
        ..StorageInfo::of(0x1_0000_0001)
    }
    .with_serial(b"bulkhead-0")
}

#[test]
fn what_is_published_is_read_and_withdrawn() {
    let page = Region::host(4096);
    let (sink, source) =
        (InfoSink::new(&page).unwrap(), InfoSource::new(&page.read_only()).unwrap());
    assert_eq!(source.read(), None);
    sink.publish(&info());
    assert_eq!(source.read(), Some(info()));
    assert_eq!(info().serial(), b"bulkhead-0");
    sink.withdraw();
    assert_eq!(source.read(), None);
}

/// The offsets that a C compiler gives the fields of sDDF 0.7's structure.
#[test]
fn the_layout_is_that_of_the_c_structure() {
    let page = Region::host(4096);
    InfoSink::new(&page).unwrap().publish(&info());
    let mut serial = [0; 11];
    page.read(0, &mut serial).unwrap();
    assert_eq!(&serial, b"bulkhead-0\0");
    assert_eq!((page.read_u8(64), page.read_u8(65)), (Ok(1), Ok(1)));
    let halves = [66, 68, 70, 72, 74, 76].map(|at| page.read_u16(at).unwrap());
    assert_eq!(halves, [4096, 8, 32, 1, 2, 3]);
    assert_eq!(page.read_u64(80), Ok(0x1_0000_0001));
}

#[test]
fn a_serial_number_that_is_too_long_is_cut() {
    let long = StorageInfo::of(1).with_serial(&[b'x'; 80]);
    assert_eq!(long.serial(), [b'x'; 63]);
}

#[test]
fn a_page_that_is_too_small_is_refused() {
    assert!(InfoSource::new(&Region::host(87).read_only()).is_err());
    assert!(InfoSink::new(&Region::host(88)).is_ok());
}

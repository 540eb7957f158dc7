//! The kernel inside a bzImage (Linux, Documentation/arch/x86/boot.rst): an
//! ELF file, compressed. Only LZ4, which is what Debian's cloud kernel uses, and
//! xz, where there is a program for it, are unpacked here; a bzImage of another
//! kind still boots, and unpacks itself in the guest.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
};

/// Offset of the boot sector's count of setup sectors.
const SETUP_SECTS: usize = 0x1f1;
/// Offset of the setup header's magic, "HdrS".
const HEADER_MAGIC: usize = 0x202;
/// Offset of the protocol version.
const VERSION: usize = 0x206;
/// Offset of the compressed payload's place, from the protected-mode code.
const PAYLOAD_OFFSET: usize = 0x248;
/// Offset of its length.
const PAYLOAD_LENGTH: usize = 0x24c;
/// First protocol with the two fields above.
const PAYLOAD_VERSION: u16 = 0x0208;

/// First word of LZ4's legacy frame (LZ4 Frame Format, "Legacy frame").
const LZ4_LEGACY: u32 = 0x184c_2102;
/// What one block of that frame unpacks to, at most: 8 MiB.
const LZ4_BLOCK: usize = 8 << 20;
/// A kernel that unpacks to more than this is no kernel: 512 MiB.
const UNPACKED_MAX: usize = 512 << 20;

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
pub enum Kernel {
    /// A bzImage whose kernel was unpacked.
    Unpacked(Vec<u8>),
    /// A bzImage whose kernel is in this stream of xz, with more behind it.
    Xz(Vec<u8>),
    /// A bzImage with this compression, left as it is.
    Other(&'static str),
}

fn u16_at(image: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(image.get(at..)?.first_chunk().copied()?))
}

fn u32_at(image: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(image.get(at..)?.first_chunk().copied()?))
}

/// Unpacks a bzImage's kernel.
///
/// # Errors
/// Not a bzImage, or a damaged one.
pub fn unpack(image: &[u8]) -> Result<Kernel, String> {
    if image.get(HEADER_MAGIC..HEADER_MAGIC + 4) != Some(b"HdrS") {
        return Err("not a bzImage: no setup header".into());
    }
    let version = u16_at(image, VERSION).unwrap_or(0);
    if version < PAYLOAD_VERSION {
        return Ok(Kernel::Other("a setup header without the payload's place"));
    }
    let sectors = match image.get(SETUP_SECTS).copied().unwrap_or(0) {
        0 => 4, // as the protocol says
        n => usize::from(n),
    };
    let field = |at| u32_at(image, at).map(|n| n as usize).ok_or("truncated setup header");
    let start = ((sectors + 1) * 512).checked_add(field(PAYLOAD_OFFSET)?);
    let end = start.and_then(|s| s.checked_add(field(PAYLOAD_LENGTH).ok()?));
    let payload = match (start, end) {
        (Some(start), Some(end)) => image.get(start..end),
        _ => None,
    }
    .ok_or("truncated: the compressed kernel lies beyond the end of the file")?;
    match payload {
        [0x02, 0x21, 0x4c, 0x18, ..] => lz4_legacy(payload).map(Kernel::Unpacked),
        [0x1f, 0x8b, ..] => Ok(Kernel::Other("gzip")),
        [0xfd, b'7', b'z', ..] => Ok(Kernel::Xz(payload.to_vec())),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Kernel::Other("zstd")),
        [b'B', b'Z', b'h', ..] => Ok(Kernel::Other("bzip2")),
        [0x5d, 0, 0, ..] => Ok(Kernel::Other("lzma")),
        [0x7f, b'E', b'L', b'F', ..] => Ok(Kernel::Unpacked(payload.to_vec())),
        _ => Ok(Kernel::Other("an unknown compression")),
    }
}

/// Unpacks a stream of xz, by the program of that name.
///
/// # Returns
/// Nothing where there is none, or where it finds the stream damaged.
pub fn xz(stream: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new("xz");
    command.args(["--decompress", "--stdout", "--single-stream"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut input = child.stdin.take()?;
    let unpacked = thread::scope(|scope| {
        // It leaves what is behind the stream unread.
        scope.spawn(move || input.write_all(stream));
        child.wait_with_output()
    })
    .ok()?;
    (unpacked.status.success() && unpacked.stdout.len() <= UNPACKED_MAX).then_some(unpacked.stdout)
}

/// Unpacks a legacy LZ4 frame; four bytes with the unpacked size follow it.
fn lz4_legacy(payload: &[u8]) -> Result<Vec<u8>, String> {
    let (frame, size) =
        payload.split_last_chunk::<4>().ok_or("truncated: no size behind the LZ4 frame")?;
    let size = u32::from_le_bytes(*size) as usize;
    if size > UNPACKED_MAX {
        return Err(format!("claims to unpack to {size} bytes"));
    }
    let mut unpacked = Vec::with_capacity(size);
    let mut at = 4;
    debug_assert_eq!(u32_at(frame, 0), Some(LZ4_LEGACY));
    while let Some(length) = u32_at(frame, at) {
        at += 4;
        let block = at
            .checked_add(length as usize)
            .and_then(|end| frame.get(at..end))
            .ok_or("truncated LZ4 block")?;
        at += block.len();
        let room = LZ4_BLOCK.min(size.saturating_sub(unpacked.len()));
        let data = lz4_flex::block::decompress(block, room)
            .map_err(|e| format!("LZ4 block at {at:#x}: {e}"))?;
        unpacked.extend(data);
    }
    if unpacked.len() != size {
        return Err(format!("unpacks to {} bytes instead of {size}", unpacked.len()));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A bzImage with one setup sector around `payload`.
    fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[SETUP_SECTS] = 1;
        image[HEADER_MAGIC..][..4].copy_from_slice(b"HdrS");
        image[VERSION..][..2].copy_from_slice(&0x020f_u16.to_le_bytes());
        image[PAYLOAD_LENGTH..][..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend_from_slice(payload);
        image
    }

    fn legacy(data: &[u8]) -> Vec<u8> {
        let mut out = LZ4_LEGACY.to_le_bytes().to_vec();
        for block in data.chunks(LZ4_BLOCK) {
            let packed = lz4_flex::block::compress(block);
            out.extend((packed.len() as u32).to_le_bytes());
            out.extend(packed);
        }
        out.extend((data.len() as u32).to_le_bytes());
        out
    }

    #[test]
    fn a_kernel_of_several_blocks_comes_out_whole() {
        let data: Vec<u8> = (0..LZ4_BLOCK + 12_345).map(|i| (i / 7) as u8).collect();
        assert_eq!(unpack(&bzimage(&legacy(&data))), Ok(Kernel::Unpacked(data)));
    }

    #[test]
    fn another_compression_is_named_and_left() {
        assert_eq!(unpack(&bzimage(&[0x1f, 0x8b, 8])), Ok(Kernel::Other("gzip")));
        assert_eq!(unpack(&bzimage(&[0x28, 0xb5, 0x2f, 0xfd])), Ok(Kernel::Other("zstd")));
    }

    #[test]
    fn what_is_no_bzimage_is_refused() {
        assert!(unpack(b"").is_err());
        assert!(unpack(&[0; 4096]).is_err());
    }

    #[test]
    fn a_lying_size_is_refused() {
        let mut image = bzimage(&legacy(b"kernel"));
        let end = image.len();
        image[end - 4..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(unpack(&image).is_err());
    }

    proptest! {
        #[test]
        fn a_damaged_image_is_an_error_or_another_kernel(at in 0usize..2000, byte: u8, cut in 0usize..2000) {
            let data: Vec<u8> = (0..3000).map(|i| (i * i) as u8).collect();
            let mut image = bzimage(&legacy(&data));
            let length = image.len();
            image[at % length] = byte;
            image.truncate(length - cut % length);
            let _ = unpack(&image);
        }
    }
}

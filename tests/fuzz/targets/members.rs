//! A tar stream, in a frame that is as it should be.
#![no_main]

use backup_archive::read::Members;
use std::convert::Infallible;
use std::io::Cursor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = zstd::bulk::compress(bytes, 1) else { return };
    let Ok(mut members) = Members::at(Cursor::new(frame), 0) else { return };
    while let Ok(Some(member)) = members.next_member() {
        assert!(!member.path.starts_with(b"/") && !member.path.split(|&byte| byte == b'/').any(|part| part == b".."));
        let mut held = 0u64;
        let _ = members.contents(&member, |offset, piece| {
            held += piece.len() as u64;
            assert!(offset + piece.len() as u64 <= member.size, "a piece beyond the file");
            Ok::<_, Infallible>(())
        });
        assert!(held <= bytes.len() as u64, "more than there is");
    }
});

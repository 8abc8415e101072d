//! Stored bytes of a tar stream: zstd frames, or anything else.
#![no_main]

use backup_archive::read::Members;
use std::io::Cursor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (skip, stored) = bytes.split_first().map_or((0, bytes), |(first, rest)| (u64::from(*first), rest));
    let Ok(mut members) = Members::at(Cursor::new(stored.to_vec()), skip) else { return };
    while let Ok(Some(_)) = members.next_member() {}
});

//! Where changed blocks of large files go.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(parts) = backup_archive::read::parts::parse("patches/1.parts", bytes) {
        assert!(parts.ranges.iter().all(|range| range.start < range.end && range.end <= parts.size));
    }
});

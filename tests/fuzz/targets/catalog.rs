//! Lines of a catalog.
#![no_main]

use backup_archive::Entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::parse(bytes) {
        let mut line = Vec::new();
        entry.write_line(&mut line);
        assert_eq!(Entry::parse(&line).as_ref(), Ok(&entry));
    }
});

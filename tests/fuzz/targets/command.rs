//! What a peer's rsync says to the forced command.
#![no_main]

use backup_adapters::rsync::Request;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let words: Vec<&str> = text.split(' ').collect();
    if let Ok(request) = Request::parse(&words) {
        for name in &request.names {
            assert!(!name.starts_with('/') && !name.starts_with('-') && !name.split('/').any(|part| part == ".."));
        }
    }
});

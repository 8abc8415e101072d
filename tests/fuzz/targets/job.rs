//! Job documents.
#![no_main]

use backup_core::Job;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = Job::parse(text, "job.yml") {
        assert!(!error.to_string().is_empty());
    }
});

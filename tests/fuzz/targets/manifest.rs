//! Manifests, seals, receipts and states of jobs, as they lie on disks and come from peers.
#![no_main]

use backup_core::lifecycle::Lifecycle;
use backup_core::manifest::{Manifest, Seal};
use backup_core::receipt::Receipt;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let (Ok(manifest), Ok(seal)) = (Manifest::parse(bytes), Seal::parse(bytes)) {
        let _ = seal.covers(&manifest);
    }
    if let Ok(manifest) = Manifest::parse(bytes) {
        // What is read is written again, and is the same then.
        let again = Manifest::parse(&manifest.to_bytes()).expect("what we wrote");
        assert_eq!(again.to_bytes(), manifest.to_bytes());
    }
    let _ = Receipt::parse(bytes);
    let _ = Lifecycle::parse(bytes);
});

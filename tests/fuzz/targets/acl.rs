//! ACLs in the kernel's binary form.
#![no_main]

use backup_archive::acl;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = acl::named(bytes);
    let _ = acl::renumbered(bytes, |named| named);
    if let Some(text) = acl::to_text(bytes) {
        let again = acl::from_text(&text).expect("what we wrote");
        assert_eq!(acl::to_text(&again).as_deref(), Some(text.as_str()));
    }
});

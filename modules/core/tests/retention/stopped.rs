//! What is re-read of a job that is stopped, where no deletion asks for it.

use crate::make::*;
use backup_core::retention::stale;
use backup_core::units::Span;

#[test]
fn what_was_not_proven_lately_is_due_longest_ago_first() {
    let now = at("2026-11-30T12:00:00Z");
    let due = |candidates: &[_]| -> Vec<String> {
        stale(candidates, Span(8 * DAY), now).into_iter().map(|id| id.to_string()[..8].to_owned()).collect()
    };
    let candidates = [
        checked(full("2026-11-01"), "2026-11-20T12:00:00Z", true),
        full("2026-11-10"),
        // Exactly as old as it may be, and a second older.
        checked(full("2026-11-11"), "2026-11-22T12:00:00Z", true),
        checked(full("2026-11-12"), "2026-11-22T11:59:59Z", true),
        full("2026-11-29"),
        // Known to be damaged; never compared; proven by a clock that is wrong.
        checked(full("2026-11-13"), "2026-11-14T12:00:00Z", false),
        arrived_only(full("2026-11-28")),
        checked(full("2026-11-14"), "2027-11-14T12:00:00Z", true),
    ];
    assert_eq!(due(&candidates), ["20261128", "20261110", "20261101", "20261112", "20261114"]);
    assert!(due(&[]).is_empty());
}

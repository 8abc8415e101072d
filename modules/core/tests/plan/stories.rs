//! What checks tell: the right copy, the right instant, and no span shorter than it is.

use crate::make::{FROM, berlin, planned, quick};

/// The first counter-example of a plan for two months.
fn story(objectives: &str) -> String {
    let plan = planned(&quick(objectives), &berlin(), FROM, 62);
    plan.counter_example.clone().unwrap_or_else(|| panic!("{plan}"))
}

#[test]
fn the_copy_that_ends_the_breach_is_told() {
    // Every 20 minutes at 10, 30 and 50: that of 13:50 is being collected, and would not help.
    let story = story("rpo: 30min");
    assert!(
        story.starts_with("at 2026-11-20 13:54 the newest verified copy on sink1 holds data of 2026-11-20 13:10, 44 min old; the copy of 2026-11-20 13:30 is still in transfer"),
        "{story}"
    );
}

#[test]
fn the_first_minute_on_a_forbidden_day_is_told() {
    let story = |objectives: &str| story(&format!("rpo: 4d, {objectives}"));
    for (objectives, part) in [
        ("at: [\"23:55\"], blackout: [12-24]", "on a day of `blackout` at 2026-12-24 00:00"),
        ("at: [\"23:55\"], blackout: [\"thu 00:00-06:00\"]", "in a `blackout` at 2026-11-26 00:00"),
        ("at: [\"23:55\"], window: [\"20:00-24:00\"]", "outside the window at 2026-11-21 00:00"),
    ] {
        let story = story(objectives);
        assert!(story.contains(part), "{part}: {story}");
    }
}

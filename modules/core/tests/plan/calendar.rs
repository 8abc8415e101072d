//! The next days of a plan, as text and as a picture.

use crate::make::{FROM, berlin, planned, quick};
use backup_core::schedule::Calendar;

/// The first days of the job's plan.
fn calendar(objectives: &str, from: &str, days: u16) -> Calendar {
    let (job, facts) = (quick(objectives), berlin());
    let plan = planned(&job, &facts, from, i64::from(days) + 1);
    Calendar::of(&plan, &[job], &facts, from.parse().unwrap(), days).unwrap()
}

#[test]
fn any_minute_of_the_day_can_be_drawn() {
    for minute in 0..1440 {
        let at = format!("{:02}:{:02}", minute / 60, minute % 60);
        let calendar = calendar(&format!("at: [\"{at}\"]"), FROM, 1);
        assert!(calendar.to_string().contains(&format!("  {at} collect ")), "{at}");
        assert!(calendar.svg().contains(&format!("<title>{at} collect shop")), "{at}");
    }
}

//! Trying again: the pauses grow, differ between hosts, and end with the window.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_mins(2);

/// The pause before attempt `n` + 1 (n from 1), or `None` if it would end after the window. `random` is any number: a
/// sink that refused many at once must not meet them all again at once.
pub fn pause(n: u32, random: u32, elapsed: Duration, window: Duration) -> Option<Duration> {
    let longest = FIRST.saturating_mul(1_u32.checked_shl(n.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST);
    // Between half and the whole of it.
    let share = 0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0;
    let pause = longest.mul_f64(share);
    (elapsed + pause < window).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_end_with_the_window() {
        let hour = Duration::from_hours(1);
        let whole = |n| pause(n, u32::MAX, Duration::ZERO, hour).unwrap().as_secs();
        assert_eq!([whole(1), whole(2), whole(3), whole(7), whole(40)], [2, 4, 8, 120, 120]);
        assert_eq!(pause(1, 0, Duration::ZERO, hour), Some(Duration::from_secs(1)));
        assert_eq!(pause(1, u32::MAX, hour.saturating_sub(Duration::from_secs(2)), hour), None);
        assert_eq!(pause(1, 0, Duration::ZERO, Duration::ZERO), None);
    }
}

//! The search for the nearest value: away from what is declared, step by step.

/// One way to change a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// So many steps it can go. Step 0 is what is declared.
    pub steps: u64,
    /// No leap is longer. Where what holds at one step may not hold further on, leaps are short.
    pub leap: u64,
}

/// The least step that holds on every horizon, as far as leaps do not pass over it: the step before it does not hold.
///
/// `holds` is asked for a step and a horizon, of which each contains the one before: what fails on one most often fails on all
/// after it. So the last horizon, which is long, is asked of what holds on the others, and of the steps right before that: times
/// that are derived on a short horizon may be others than on the whole. What is declared does not hold.
pub(super) fn least(reach: Reach, horizons: usize, mut holds: impl FnMut(u64, usize) -> bool) -> Option<u64> {
    if reach.steps == 0 {
        return None;
    }
    let (mut below, mut first) = (0, 1);
    for horizon in 0..horizons {
        let (mut bad, mut good, mut leap) = (below, first, 1);
        while !holds(good, horizon) {
            if good == reach.steps {
                return None;
            }
            (bad, good) = (good, (good + leap).min(reach.steps));
            leap = (leap * 2).min(reach.leap);
        }
        while good - bad > 1 {
            let middle = good.midpoint(bad);
            if holds(middle, horizon) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        (below, first) = (bad, good);
    }
    (1..first).rev().take_while(|&step| holds(step, horizons - 1)).last().or(Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_holds_from_some_step_on_is_found_exactly(
            from in proptest::collection::vec(1..5000u64, 1..4),
            steps in 1..4000u64,
            leap in 1..5000u64,
        ) {
            let mut asked = 0u64;
            let found = least(Reach { steps, leap }, from.len(), |step, horizon| {
                asked += 1;
                assert!((1..=steps).contains(&step));
                // A later horizon asks for no less.
                step >= *from[..=horizon].iter().max().unwrap()
            });
            let nearest = *from.iter().max().unwrap();
            prop_assert_eq!(found, (nearest <= steps).then_some(nearest));
            prop_assert!(asked <= 3 * (steps / leap + 2 * 13) + 3);
        }

        #[test]
        fn what_holds_between_is_found_where_leaps_are_short(begin in 1..900u64, length in 15..90u64) {
            let holds = |step: u64, _| (begin..begin + length).contains(&step);
            prop_assert_eq!(least(Reach { steps: 1000, leap: 15 }, 2, holds), Some(begin));
        }
    }

    #[test]
    fn what_fails_on_a_short_horizon_only_is_asked_of_the_long_one() {
        let holds = |step: u64, horizon: usize| step >= [9, 4][horizon];
        assert_eq!(least(Reach { steps: 100, leap: 7 }, 2, holds), Some(4));
    }

    #[test]
    fn nothing_is_found_where_nothing_holds() {
        assert_eq!(least(Reach { steps: 100, leap: 7 }, 3, |_, _| false), None);
        assert_eq!(least(Reach { steps: 0, leap: 7 }, 3, |_, _| true), None);
    }
}

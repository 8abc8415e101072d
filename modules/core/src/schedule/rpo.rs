//! The effective RPO: how old the data of the newest verified copy get before the next copy arrives.

use super::Delivery;

/// A moment just before a copy arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Worst {
    /// Data time of the newest copy that counts until then.
    pub held: i64,
    /// When the next copy arrives.
    pub until: i64,
}

impl Worst {
    /// The age that the newest copy's data reach.
    pub(super) const fn age(&self) -> i64 {
        self.until - self.held
    }
}

/// Every moment before an arrival, if the `missed` arrivals before it fail.
fn moments(deliveries: &[Delivery], missed: u32) -> impl Iterator<Item = Worst> {
    // Copies that arrive together: the newest of them is what is held.
    let arrivals: Vec<&Delivery> = deliveries.chunk_by(|a, b| a.arrives == b.arrives).filter_map(<[_]>::last).collect();
    let later = 1 + missed as usize;
    let count = arrivals.len().saturating_sub(later);
    (0..count).map(move |i| Worst { held: arrivals[i].data, until: arrivals[i + later].arrives })
}

/// The greatest age, if any `missed` arrivals in a row fail; the first moment that reaches it. `None`: too few copies.
pub(super) fn worst(deliveries: &[Delivery], missed: u32) -> Option<Worst> {
    moments(deliveries, missed).reduce(|worst, next| if next.age() > worst.age() { next } else { worst })
}

/// The first moment at which the age exceeds `rpo`.
pub(super) fn first_breach(deliveries: &[Delivery], missed: u32, rpo: i64) -> Option<Worst> {
    moments(deliveries, missed).find(|moment| moment.age() > rpo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GenerationKind;

    fn delivery(data: i64, arrives: i64) -> Delivery {
        Delivery { data, sealed: data + 1, arrives, kind: GenerationKind::Full }
    }

    #[test]
    fn the_worst_is_just_before_an_arrival() {
        let daily: Vec<_> = (0..5).map(|day| delivery(day * 100, day * 100 + 7)).collect();
        assert_eq!(worst(&daily, 0).unwrap(), Worst { held: 0, until: 107 });
        assert_eq!(worst(&daily, 1).unwrap().age(), 207);
        assert_eq!(first_breach(&daily, 0, 106), Some(Worst { held: 0, until: 107 }));
        assert_eq!(first_breach(&daily, 0, 107), None);
        assert_eq!(worst(&daily[..1], 0), None);
    }

    #[test]
    fn of_copies_that_arrive_together_the_newest_counts() {
        let carried = [delivery(0, 50), delivery(40, 50), delivery(90, 150), delivery(140, 150)];
        assert_eq!(worst(&carried, 0).unwrap(), Worst { held: 40, until: 150 });
    }
}

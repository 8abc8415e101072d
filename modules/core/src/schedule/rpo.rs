//! The effective RPO: how old the data of the newest verified copy get before the next copy arrives.

use super::{
    Line,
    outage::{self, Outage},
};

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

/// Every moment before a copy arrives, if `missed` transports in a row fail with all their tries, whichever they are.
fn moments(line: &Line, missed: u32) -> impl Iterator<Item = Worst> {
    let all = &line.deliveries;
    let usual = all.windows(2).map(|pair| Worst { held: pair[0].data, until: pair[1].arrives });
    let outages = outage::all(line, missed).flat_map(move |outage| {
        let Outage { first, arrivals } = outage;
        arrivals.into_iter().zip(&all[first - 1..]).map(|(until, held)| Worst { held: held.data, until })
    });
    usual.take(if missed == 0 { usize::MAX } else { 0 }).chain(outages)
}

/// The greatest age, if any `missed` transports in a row fail; the first moment that reaches it. `None`: too few copies.
pub(super) fn worst(line: &Line, missed: u32) -> Option<Worst> {
    moments(line, missed).reduce(|worst, next| if next.age() > worst.age() { next } else { worst })
}

/// The first moment at which the age exceeds `rpo`.
pub(super) fn first_breach(line: &Line, missed: u32, rpo: i64) -> Option<Worst> {
    moments(line, missed).find(|moment| moment.age() > rpo)
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GenerationKind, StreamName, schedule::Delivery};

    /// Copies collected at these times and carried at those, each in 7.
    fn line(collections: &[i64], starts: &[i64]) -> Line {
        let (mut deliveries, mut transports, mut free) = (Vec::new(), Vec::new(), 0);
        for &start in starts.iter().filter(|&&start| start >= 0) {
            let copies = collections.iter().skip(deliveries.len()).take_while(|&&data| data < start).count();
            if copies == 0 || start < free {
                continue;
            }
            transports.push((start, copies));
            free = start;
            for &data in &collections[deliveries.len()..][..copies] {
                free += 7;
                deliveries.push(Delivery { data, sealed: data + 1, arrives: free, kind: GenerationKind::Full });
            }
        }
        let (stream, sink, starts) = (StreamName::Data, String::new(), starts.to_vec());
        Line { stream, sink, deliveries, transports, starts, carry: 7, most_waiting: (1, 0) }
    }

    fn daily() -> Line {
        line(&[0, 100, 200, 300, 400, 500], &[1, 101, 201, 301, 401, 501])
    }

    #[test]
    fn the_worst_is_just_before_an_arrival() {
        let daily = daily();
        assert_eq!(worst(&daily, 0).unwrap(), Worst { held: 0, until: 108 });
        assert_eq!(worst(&daily, 1).unwrap().age(), 208);
        assert_eq!(first_breach(&daily, 0, 107), Some(Worst { held: 0, until: 108 }));
        assert_eq!(first_breach(&daily, 0, 108), None);
        assert_eq!(worst(&line(&[0], &[1]), 0), None);
    }

    #[test]
    fn copies_that_wait_travel_one_after_the_other() {
        let carried = line(&[0, 40, 90, 140], &[50, 150]);
        assert_eq!(carried.deliveries.iter().map(|copy| copy.arrives).collect::<Vec<_>>(), [57, 64, 157, 164]);
        assert_eq!(worst(&carried, 0).unwrap(), Worst { held: 40, until: 157 });
    }

    #[test]
    fn after_an_outage_the_newest_copy_comes_last() {
        // Two copies a day, the second close to the first: it waits for that when the sink is back.
        let line =
            line(&[0, 3, 100, 103, 200, 203, 300, 303], &[2, 5, 10, 102, 105, 110, 202, 205, 210, 302, 305, 310]);
        let usual: Vec<_> = line.deliveries.iter().map(|copy| copy.arrives).collect();
        assert_eq!(usual[..4], [9, 17, 109, 117], "the second transport finds the first at work");
        let outage = outage::all(&line, 1).nth(1).unwrap();
        // The transport at 102 is missed, and the try at 105, too; that at 110 carries both.
        assert_eq!((outage.first, outage.arrivals), (2, vec![117, 124]));
        // If that at 10 is missed, its copy goes with the next one, and a third is collected meanwhile.
        assert_eq!(outage::most_waiting(&line, 1), (3, 103));
        assert_eq!(outage::most_waiting(&daily(), 2), (3, 300));
    }

    #[test]
    fn what_is_collected_while_late_copies_travel_waits_until_the_last_has_arrived() {
        let line = line(&[0, 20, 40, 60, 80, 100, 120, 140, 160], &[1, 21, 41, 61, 81, 101, 121, 141, 161]);
        // At 101 the four late ones are on their way; the transport at 141 finds everything as usual.
        let outage = outage::all(&line, 3).next().unwrap();
        assert_eq!((outage.first, outage.arrivals), (1, vec![88, 95, 102, 109, 128, 135]));
    }
}

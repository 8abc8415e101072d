//! The same work on many things of which none depends on another.

use std::thread;

/// The answer for each item, in their order; each processor takes its share.
pub(super) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    // Neighbours cost about the same: each share has one of so many.
    let work = &work;
    thread::scope(|scope| {
        let share = |first| scope.spawn(move || items.iter().skip(first).step_by(processors).map(work).collect());
        let shares: Vec<_> = (0..processors).map(share).collect();
        let mut answers: Vec<_> = shares.into_iter().map(|share| joined(share).into_iter()).collect();
        (0..items.len()).filter_map(|n| answers[n % processors].next()).collect()
    })
}

/// What a thread answered; if it panicked, so does this one.
fn joined<R>(share: thread::ScopedJoinHandle<'_, Vec<R>>) -> Vec<R> {
    share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_items() {
        for count in [0, 1, 2, 3, 100] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(in_parallel(&items, |n| n * n), items.iter().map(|n| n * n).collect::<Vec<_>>());
        }
    }
}

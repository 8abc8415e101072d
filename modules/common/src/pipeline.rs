//! Work on several threads whose results arrive in order, with a bounded number of them in memory.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};

struct Shared<I, R, E> {
    jobs: I,
    /// Number of the next job.
    next: usize,
    /// Finished, but not yet consumed.
    done: BTreeMap<usize, Result<R, E>>,
    consumed: usize,
    exhausted: bool,
    aborted: bool,
}

/// Each worker holds something in memory, and the medium rarely feeds more.
const MAX_THREADS: usize = 8;

/// How many threads are worth while here.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}

/// Runs `work` on every job, on one thread per worker, and gives the results to `sink` on the calling thread in the
/// order of the jobs. The first error ends it.
///
/// Jobs are taken from the iterator under a lock, in order; so the oldest unfinished job is always being worked on and
/// a bound on what is ahead of it cannot deadlock.
pub fn run<J, R, W, I, E>(
    workers: &mut [W],
    jobs: I,
    work: impl Fn(&mut W, J) -> Result<R, E> + Sync,
    mut sink: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    R: Send,
    W: Send,
    E: Send,
    I: Iterator<Item = J> + Send,
{
    let ahead = workers.len() + 2;
    let state = Shared { jobs, next: 0, done: BTreeMap::new(), consumed: 0, exhausted: false, aborted: false };
    let line = &Line { shared: Mutex::new(state), changed: Condvar::new() };
    let work = &work;
    std::thread::scope(|scope| {
        let _stop = Abort { line, only_in_panic: false };
        for worker in workers {
            scope.spawn(move || {
                let _stop = Abort { line, only_in_panic: true };
                while let Some((number, job)) = line.take(ahead) {
                    line.finished(number, work(worker, job));
                }
            });
        }
        while let Some(result) = line.result() {
            sink(result?)?;
        }
        Ok(())
    })
}

struct Line<I, R, E> {
    shared: Mutex<Shared<I, R, E>>,
    changed: Condvar,
}

impl<I: Iterator, R, E> Line<I, R, E> {
    /// The next job, as soon as it is less than `ahead` of what was consumed.
    fn take(&self, ahead: usize) -> Option<(usize, I::Item)> {
        let mut state = lock(&self.shared);
        while state.next >= state.consumed + ahead && !state.aborted {
            state = wait(&self.changed, state);
        }
        if state.aborted || state.exhausted {
            return None;
        }
        let Some(job) = state.jobs.next() else {
            state.exhausted = true;
            self.changed.notify_all();
            return None;
        };
        state.next += 1;
        Some((state.next - 1, job))
    }

    fn finished(&self, number: usize, result: Result<R, E>) {
        lock(&self.shared).done.insert(number, result);
        self.changed.notify_all();
    }

    /// The next result in order; `None` after the last one, or when a worker panicked.
    fn result(&self) -> Option<Result<R, E>> {
        let mut state = lock(&self.shared);
        loop {
            let number = state.consumed;
            if let Some(result) = state.done.remove(&number) {
                state.consumed += 1;
                self.changed.notify_all();
                return Some(result);
            }
            if state.aborted || (state.exhausted && state.next == number) {
                return None;
            }
            state = wait(&self.changed, state);
        }
    }
}

/// Lets everybody go home when this thread leaves, by an error or a panic: waiting workers would hold up the scope.
struct Abort<'a, I, R, E> {
    line: &'a Line<I, R, E>,
    only_in_panic: bool,
}

impl<I, R, E> Drop for Abort<'_, I, R, E> {
    fn drop(&mut self) {
        if !self.only_in_panic || std::thread::panicking() {
            lock(&self.line.shared).aborted = true;
            self.line.changed.notify_all();
        }
    }
}

/// A lock that a panicking worker held is no reason to hang: the panic itself ends the run.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn results_arrive_in_order_and_few_are_ahead() {
        let (started, consumed, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let mut seen = Vec::new();
        run(
            &mut [(); 4],
            0..500usize,
            |(), job| {
                let ahead = started.fetch_add(1, Ordering::SeqCst).saturating_sub(consumed.load(Ordering::SeqCst));
                most.fetch_max(ahead, Ordering::SeqCst);
                Ok::<_, ()>(job * 2)
            },
            |result| {
                consumed.fetch_add(1, Ordering::SeqCst);
                seen.push(result);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(seen, (0..500).map(|job| job * 2).collect::<Vec<_>>());
        assert!(most.load(Ordering::SeqCst) <= 4 + 2);
    }

    #[test]
    fn the_first_error_ends_it() {
        let work = |(): &mut (), job: usize| if job == 7 { Err("seven") } else { Ok(job) };
        let mut last = 0;
        let result = run(&mut [(); 3], 0.., work, |job| {
            last = job;
            Ok(())
        });
        assert_eq!(result, Err("seven"));
        assert_eq!(last, 6);
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panicking_worker_does_not_hang() {
        let work = |(): &mut (), job: usize| {
            assert!(job != 3, "three");
            Ok::<_, ()>(())
        };
        let _ = run(&mut [(); 2], 0..100usize, work, |()| Ok(()));
    }
}

//! How many of a suite's faults a run goes through.
//!
//! `HANDOVER_TORTURE=all`, as `make torture` sets it: all of them. `2/3`: the second of three parts. A number: as many, other ones each
//! time. Not set: some, spread evenly.

/// Those that this run goes through; `some` of them where nothing else is asked for.
pub(crate) fn chosen<T: Clone>(all: &[T], some: usize) -> Vec<T> {
    let asked = std::env::var("HANDOVER_TORTURE").ok();
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("HANDOVER_TORTURE: {text} is not a number"));
    let wanted = match asked.as_deref() {
        None => None,
        Some("all") => return all.to_vec(),
        Some(asked) => match asked.split_once('/') {
            Some((part, parts)) => return self::part(all, number(part), number(parts)).to_vec(),
            None => Some(number(asked)),
        },
    };
    let step = all.len().div_ceil(wanted.unwrap_or(some)).max(1);
    let first = if wanted.is_some() { std::process::id() as usize % step } else { step / 2 };
    all.iter().skip(first).step_by(step).cloned().collect()
}

/// One of so many parts, the first being 1: together they are all.
fn part<T>(all: &[T], part: usize, parts: usize) -> &[T] {
    assert!((1..=parts).contains(&part), "HANDOVER_TORTURE: there is no part {part} of {parts}");
    let upto = |part| all.len() * part / parts;
    &all[upto(part - 1)..upto(part)]
}

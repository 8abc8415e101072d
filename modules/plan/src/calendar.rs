//! The next days of plans: as text for people, and as pictures.

use crate::RunArgs;
use crate::error::InputError;
use crate::input::Input;
use backup_adapters::publish;
use backup_core::schedule::{Calendar, Plan};
use backup_core::units::Span;
use backup_interface::Failed;
use std::path::{Path, PathBuf};

const DAY: u64 = 86_400;
/// What a picture shows where nobody says how much.
const USUAL: Span = Span(14 * DAY);
/// More is no calendar.
const MOST: Span = Span(400 * DAY);

/// The calendars that were asked for, one per source.
pub(crate) fn calendars(args: &RunArgs, input: &Input, plans: &[Plan]) -> Result<Vec<Calendar>, Failed> {
    let Some(span) = args.calendar.or(args.svg.as_ref().map(|_| USUAL)) else { return Ok(Vec::new()) };
    if !(1..=MOST.0).contains(&span.0) {
        return Err(InputError::Calendar(span).into());
    }
    let days = u16::try_from(span.0.div_ceil(DAY)).unwrap_or(u16::MAX);
    let of = |plan: &Plan| Calendar::of(plan, &input.sources[&plan.source], &input.facts, input.from, days);
    Ok(plans.iter().map(of).collect::<Result<_, _>>()?)
}

/// A picture, and where it belongs.
pub(crate) struct Picture {
    path: PathBuf,
    svg: String,
}

impl Picture {
    /// One per calendar: at `path`, or where there are several, beside it with the source in its name.
    pub(crate) fn of(path: &Path, calendars: &[Calendar]) -> Vec<Self> {
        let path_of = |calendar: &Calendar| match calendars {
            [_] => path.to_owned(),
            _ => path.with_extension(format!("{}.svg", calendar.source)),
        };
        calendars.iter().map(|calendar| Self { path: path_of(calendar), svg: calendar.svg() }).collect()
    }

    /// Whether the file lies there as it is to be.
    fn is_there(&self) -> bool {
        std::fs::read(&self.path).is_ok_and(|bytes| bytes == self.svg.as_bytes())
    }

    /// Writes it unless it is there, or only says whether that is needed.
    pub(crate) fn write(&self, check: bool) -> Result<bool, Failed> {
        if self.is_there() {
            return Ok(false);
        }
        if !check {
            publish::write_atomic(&self.path, self.svg.as_bytes(), 0o644, None)?;
        }
        Ok(true)
    }

    /// For those who asked what differs.
    pub(crate) fn difference(&self) -> String {
        format!("write {}", self.path.display())
    }
}

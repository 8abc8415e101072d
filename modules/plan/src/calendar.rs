//! The next days of plans: as text for people, and as pictures.

use crate::RunArgs;
use crate::error::InputError;
use crate::input::Input;
use crate::product::Product;
use backup_core::schedule::{Calendar, FleetPlan, Plan};
use backup_core::units::Span;
use backup_interface::Failed;
use std::path::Path;

const DAY: u64 = 86_400;
/// What a picture shows where nobody says how much.
const USUAL: Span = Span(14 * DAY);
/// More is no calendar.
const MOST: Span = Span(400 * DAY);

/// The calendars that were asked for, one per source.
pub(crate) fn calendars(args: &RunArgs, input: &Input, fleet: &FleetPlan) -> Result<Vec<Calendar>, Failed> {
    let Some(span) = args.calendar.or(args.svg.as_ref().map(|_| USUAL)) else { return Ok(Vec::new()) };
    if !(1..=MOST.0).contains(&span.0) {
        return Err(InputError::Calendar(span).into());
    }
    let days = u16::try_from(span.0.div_ceil(DAY)).unwrap_or(u16::MAX);
    let of = |plan: &Plan| Calendar::of(plan, &input.sources[&plan.source], &fleet.facts, input.now, days);
    Ok(fleet.plans.iter().map(of).collect::<Result<_, _>>()?)
}

/// One picture per calendar: at `path`, or where there are several, beside it with the source in its name.
pub(crate) fn pictures(path: &Path, calendars: &[Calendar]) -> Vec<Product> {
    let path_of = |calendar: &Calendar| match calendars {
        [_] => path.to_owned(),
        _ => path.with_extension(format!("{}.svg", calendar.source)),
    };
    calendars.iter().map(|calendar| Product::picture(path_of(calendar), calendar.svg())).collect()
}

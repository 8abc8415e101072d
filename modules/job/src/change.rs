//! Changing the state of jobs: everything is decided for all that are named, with their locks held, then all are changed.
//! What is cut short is finished by the same call.

use crate::error::{JobError, Result};
use crate::inventory::{self, Inventory};
use crate::report::{JobReport, Report};
use crate::select::{Target, Which, asker};
use crate::{locks, standing, terminate};
use backup_adapters::logger::{Logger, Severity};
use backup_adapters::{fault, host, lifecycle};
use backup_core::lifecycle::{Action, Decided, Lifecycle, State};
use backup_core::units::Span;
use backup_interface::{Call, Diff, Failed, Outcome};
use jiff::Timestamp;
use std::time::Instant;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    /// This action.
    Do(Action),
    /// This state, by whatever single action leads there; none if it is there.
    Be(State),
}

impl Wish {
    /// The legal action and where it leads; `None`: nothing is to be done.
    fn action(self, target: &Target, known: &Lifecycle) -> Result<Option<(Action, State)>> {
        let action = match self {
            Self::Do(action) => Some(action),
            Self::Be(state) => known.towards(&target.name, state)?,
        };
        let Some(action) = action else { return Ok(None) };
        Ok(Some((action, known.after(&target.name, action)?)))
    }

    /// When an earlier call decided the same for this job or began it, if that has not ended.
    fn open_since(self, known: &Lifecycle) -> Option<Timestamp> {
        match self {
            Self::Do(action) => known.open_since(action),
            // Who wishes for a state needs not be told which jobs are there by this very call.
            Self::Be(_) => None,
        }
    }
}

/// One job, and what is to be done with it.
struct Step<'a> {
    target: &'a Target,
    known: Lifecycle,
    /// `None`: it is where it shall be.
    action: Option<Action>,
    /// The state, once the action has begun.
    begun: Lifecycle,
    /// What the action deletes.
    inventory: Inventory,
}

impl Step<'_> {
    fn is(&self, action: Action) -> bool {
        self.action == Some(action)
    }

    fn write(&self, state: &Lifecycle) -> Result<()> {
        Ok(lifecycle::write(&self.target.job, self.target.is_sink, state)?)
    }
}

/// Brings every job that is named to where it shall be. If one of them is refused, none is touched.
pub(crate) fn change(which: &Which, wish: Wish, confirm: Option<&str>, wait: Span, call: &Call) -> Result<Outcome> {
    let targets = which.targets()?;
    let steps = decide(&targets, wish)?;
    // To look needs no confirmation, and to find that there is nothing to do no lock.
    if call.check || steps.iter().all(|step| step.action.is_none()) {
        return Ok(outcome(&steps, call, &report(&steps, |step| Ok(step.begun.ended()))?));
    }
    if steps.iter().any(|step| step.is(Action::Terminate)) {
        which.confirmed(confirm, &targets)?;
    }
    fault::point("job.asked");
    let deadline = Instant::now() + wait.duration();
    let _own = targets.iter().map(|target| locks::state(target, deadline)).collect::<Result<Vec<_>>>()?;
    let deletes = steps.iter().any(|step| step.is(Action::Terminate));
    let deleted_from = targets.iter().filter(|_| deletes);
    let _folders = deleted_from.map(|target| locks::folders(target, deadline)).collect::<Result<Vec<_>>>()?;
    // Again: from here on nobody else changes anything.
    let steps = decide(&targets, wish)?;
    let mut changed = false;
    let performed = perform(&steps, deadline, &mut changed);
    let now = |step: &Step<'_>| Ok(lifecycle::read(&step.target.job, step.target.is_sink)?);
    let (failed, report) = match (performed, report(&steps, now)) {
        (Ok(()), Ok(report)) => return Ok(outcome(&steps, call, &report)),
        (Ok(()), Err(failed)) => (failed, None),
        (Err(failed), report) => (failed, report.ok()),
    };
    let failed = if changed { failed.with_changes() } else { failed };
    let failed =
        if targets.len() > 1 { failed.with_warning("the same call again goes on with all of them") } else { failed };
    Err(report.iter().fold(failed, Failed::with_report))
}

/// What is to be done with each, if all of it is legal.
fn decide<'a>(targets: &'a [Target], wish: Wish) -> Result<Vec<Step<'a>>> {
    let read = |target: &Target| Ok(lifecycle::read(&target.job, target.is_sink)?);
    let known = targets.iter().map(read).collect::<Result<Vec<_>>>()?;
    // A call that was cut short goes on under its time: by that the jobs are told which it has changed.
    let open: Vec<_> = known.iter().filter_map(|known| wish.open_since(known)).collect();
    let began = open.iter().copied().find(|at| known.iter().any(|known| known.since == Some(*at)));
    let at = began.unwrap_or_else(|| host::now().timestamp());
    let by = asker();
    let step = |(target, known): (&'a Target, Lifecycle)| {
        let is_done = wish.open_since(&known).is_none() && known.since.is_some_and(|since| open.contains(&since));
        let Some((action, to)) = (if is_done { None } else { wish.action(target, &known)? }) else {
            return Ok(Step { target, begun: known.clone(), known, action: None, inventory: Inventory::default() });
        };
        let inventory = match action {
            Action::Terminate => {
                terminate::refuse_unrecovered(target)?;
                inventory::take(target)?
            }
            Action::Start | Action::Restart => inventory::indexes(target)?,
            Action::Stop => Inventory::default(),
        };
        let begun = known.begun(action, to, at, &by, &target.streams());
        Ok(Step { target, known, action: Some(action), begun, inventory })
    };
    targets.iter().zip(known).map(step).collect()
}

/// Does it. A state is written before what follows from it and, where something must be gone before it holds, after that.
fn perform(steps: &[Step<'_>], deadline: Instant, changed: &mut bool) -> Result<()> {
    let due: Vec<_> = steps.iter().filter(|step| step.action.is_some()).collect();
    if due.len() > 1 {
        for step in &due {
            let decided = step.action.zip(step.begun.since).map(|(action, at)| Decided { action, at });
            step.write(&Lifecycle { decided, ..step.known.clone() })?;
            *changed = true;
            fault::point("job.decided");
        }
    }
    for step in &due {
        match step.action {
            Some(Action::Start | Action::Restart) => {
                // Without an index of a base the next generation is a full, whatever else is kept.
                *changed |= !step.inventory.items.is_empty();
                terminate::delete(step.target, &step.inventory)?;
                step.write(&step.begun)?;
                *changed = true;
            }
            Some(Action::Terminate) => {
                // First of all: from here on nobody makes, brings or offers a copy.
                step.write(&step.begun)?;
                *changed = true;
                fault::point("job.terminating");
                terminate::delete(step.target, &step.inventory)?;
                fault::point("job.deleted");
                step.write(&step.begun.ended())?;
            }
            Some(Action::Stop) => {
                step.write(&step.begun)?;
                *changed = true;
                fault::point("job.stopping");
            }
            None => {}
        }
        let (action, by) = (step.action.map_or("", Action::as_str), step.begun.by.as_deref().unwrap_or_default());
        let text = format!("{}: {action} by {by}, {} before", step.target.name, step.known.state);
        Logger::new(crate::MODULE.name).log(Severity::Info, &text);
    }
    let mut busy = Vec::new();
    for step in due.iter().filter(|step| step.is(Action::Stop)) {
        match locks::drain(step.target, deadline)? {
            found if found.is_empty() => step.write(&step.begun.ended())?,
            found => busy.extend(found.into_iter().map(|by| format!("{}: {by}", step.target.name))),
        }
    }
    if busy.is_empty() { Ok(()) } else { Err(JobError::UnderWay { busy }.into()) }
}

/// How each job stands, and what was or would be done.
fn report(steps: &[Step<'_>], now: impl Fn(&Step<'_>) -> Result<Lifecycle>) -> Result<Report> {
    let one = |step: &Step<'_>| {
        let now = now(step)?;
        let report = JobReport::new(step.target, step.known.state, &now, standing::look(step.target, &now)?);
        let report = if now == step.begun.ended() { report.with_inventory(&step.inventory) } else { report };
        Ok(JobReport { action: step.action.filter(|_| now.since == step.begun.since), ..report })
    };
    Ok(Report { jobs: steps.iter().map(one).collect::<Result<_>>()?, ..Report::default() })
}

fn outcome(steps: &[Step<'_>], call: &Call, report: &Report) -> Outcome {
    let msg: Vec<_> = report.jobs.iter().map(|job| job.sentence(call.check)).collect();
    let changed = report.jobs.iter().any(|job| job.action.is_some());
    let outcome = if changed { Outcome::changed(msg.join("; ")) } else { Outcome::unchanged(msg.join("; ")) };
    let left = report.jobs.iter().flat_map(|job| &job.left);
    let left = left.map(|path| format!("{} is not the job's and stays", path.display()));
    let undeclared = steps.iter().flat_map(|step| step.inventory.undeclared.iter().map(move |path| (step, path)));
    let undeclared = undeclared.map(|(step, path)| {
        let (path, job) = (path.display(), &step.target.name);
        format!("{path} holds copies of a stream that {job} does not declare any more; they stay: declare it again to have them deleted, too")
    });
    let outcome = left.chain(undeclared).fold(outcome, Outcome::with_warning);
    let diffs = report.jobs.iter().zip(steps).filter(|(job, _)| call.diff && job.action.is_some());
    let diffs: Vec<Diff> = diffs.map(|(job, step)| job.diff(&step.inventory)).collect();
    diffs.into_iter().fold(outcome, Outcome::with_diff).with_report(report)
}

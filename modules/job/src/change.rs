//! Changing the state of jobs: first everything is checked, then each job goes its way, and what was begun can be finished
//! later.

use crate::error::Result;
use crate::inventory::{self, Inventory};
use crate::report::{JobReport, Report};
use crate::select::{Target, Which, asker};
use crate::{standing, terminate};
use backup_adapters::lock::Lock;
use backup_adapters::logger::{Logger, Severity};
use backup_adapters::{fault, host, lifecycle, publish};
use backup_core::lifecycle::{Action, Lifecycle, State};
use backup_interface::{Call, Failed, Outcome};

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
}

/// Brings every job that is named to where it shall be. If one of them is refused, none is touched.
pub(crate) fn change(which: &Which, wish: Wish, confirm: Option<&str>, call: &Call) -> Result<Outcome> {
    let targets = which.targets()?;
    let mut terminates = false;
    for target in &targets {
        let known = lifecycle::read(&target.job, target.is_sink)?;
        if let Some((Action::Terminate, _)) = wish.action(target, &known)? {
            terminates = true;
            terminate::refuse_unrecovered(target)?;
        }
    }
    // To look needs no confirmation.
    if terminates && !call.check {
        which.confirmed(confirm, &targets)?;
    }
    let mut done = Done::default();
    for target in &targets {
        if let Err(failed) = one(target, wish, call, &mut done) {
            let rest = targets.len() - done.report.jobs.len() - 1;
            let failed = if done.changed { failed.with_changes() } else { failed };
            let failed = if rest == 0 {
                failed
            } else {
                failed.with_warning(format!("{rest} more jobs of the group were not touched"))
            };
            return Err(failed.with_report(&done.report));
        }
    }
    Ok(done.outcome(call))
}

/// What was done so far.
#[derive(Default)]
struct Done {
    report: Report,
    diffs: Vec<backup_interface::Diff>,
    changed: bool,
}

impl Done {
    fn outcome(self, call: &Call) -> Outcome {
        let msg: Vec<_> = self.report.jobs.iter().map(|job| job.sentence(call.check)).collect();
        let outcome = if self.changed { Outcome::changed(msg.join("; ")) } else { Outcome::unchanged(msg.join("; ")) };
        let left = self.report.jobs.iter().flat_map(|job| &job.left);
        let outcome = left.fold(outcome, |outcome, path| {
            outcome.with_warning(format!("{} is not the job's and stays", path.display()))
        });
        let outcome = self.diffs.into_iter().fold(outcome, Outcome::with_diff);
        outcome.with_report(&self.report)
    }
}

fn one(target: &Target, wish: Wish, call: &Call, done: &mut Done) -> Result<()> {
    let _lock = if call.check { None } else { Some(lock(target)?) };
    // Read again: this time nobody else changes it.
    let known = lifecycle::read(&target.job, target.is_sink)?;
    let Some((action, to)) = wish.action(target, &known)? else {
        let streams = standing::look(target, &known)?;
        done.report.jobs.push(JobReport::new(target, known.state, &known, streams));
        return Ok(());
    };
    let by = asker();
    let begun = known.begun(action, to, host::now().timestamp(), &by, &target.streams());
    let ended = Lifecycle { terminating: false, ..begun.clone() };
    let locks = if action == Action::Terminate && !call.check { terminate::lock(target)? } else { Vec::new() };
    let inventory = if action == Action::Terminate { inventory::take(target)? } else { Inventory::default() };
    if !call.check {
        // A deletion that fails in the middle has changed something all the same.
        done.changed |= action == Action::Terminate;
        perform(target, action, &begun, &ended, &inventory)?;
        let text = format!("{}: {action} by {by}, {} before", target.name, known.state);
        Logger::new(crate::MODULE.name).log(Severity::Info, &text);
    }
    drop(locks);
    let report =
        JobReport::new(target, known.state, &ended, standing::look(target, &ended)?).with_inventory(&inventory);
    done.changed = true;
    done.diffs.extend(call.diff.then(|| report.diff(&inventory)));
    done.report.jobs.push(JobReport { action: Some(action), ..report });
    Ok(())
}

/// Does it. Whatever is cut short is found by the next call: a state is written before what follows from it and, where
/// something must be gone before it holds, after that.
fn perform(target: &Target, action: Action, begun: &Lifecycle, ended: &Lifecycle, inventory: &Inventory) -> Result<()> {
    let write = |state| lifecycle::write(&target.job, target.is_sink, state).map_err(Failed::from);
    match action {
        Action::Stop => write(ended),
        Action::Start | Action::Restart => {
            if !target.is_sink {
                // Without an index of a base the next generation is a full, whatever else is kept.
                for index in inventory::indexes(target)? {
                    publish::remove_file(&index)?;
                    fault::point("job.index");
                }
            }
            write(ended)
        }
        Action::Terminate => {
            // First of all: from here on nobody makes, brings or offers a copy.
            write(begun)?;
            fault::point("job.terminating");
            terminate::delete(target, inventory)?;
            fault::point("job.deleted");
            write(ended)
        }
    }
}

/// Keeps others from changing the state, and on a source from collecting and restoring.
fn lock(target: &Target) -> Result<Lock> {
    let what = format!("change of the state of {}", target.name);
    if !target.is_sink {
        return Ok(lifecycle::lock(&target.job, &what)?);
    }
    lifecycle::prepare(&target.job)?;
    Ok(Lock::take(&target.job.lifecycle_file(true).with_extension("lock"), &what)?)
}

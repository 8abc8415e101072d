//! Plan: objectives in, cron entries and a proof out.
//!
//! `backup_core::schedule` derives and proves; this crate finds the jobs and what is known of their hosts (`input`),
//! answers (`report`, `calendar`), and measures on a sink what plans need to know (`measure`).
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod calendar;
mod error;
mod input;
mod measure;
mod product;
mod report;

use backup_core::schedule::{self, Calendar, FleetPlan};
use backup_core::units::Span;
use backup_interface::scalar::Mapping;
use backup_interface::{Call, Described, Diff, Failed, Module, Outcome, Returned};
use error::Infeasible;
use input::Input;
use jiff::Timestamp;
use measure::MeasureReport;
use product::Product;
use report::PlanReport;
use std::path::PathBuf;

#[derive(clap::Subcommand)]
enum Command {
    /// Derive cron entries and what is kept, and prove that they hold what is promised.
    Run(RunArgs),
    /// The same, and write no file.
    Plan(RunArgs),
    /// On a sink: tell how long transports took and how large copies are, as facts for a plan.
    Measure(MeasureArgs),
}

#[derive(clap::Args)]
struct RunArgs {
    /// Complete job documents, of one source or of many.
    #[arg(long, conflicts_with_all = ["file", "config"])]
    jobs: Vec<Mapping>,
    /// A YAML document with complete job documents in the list `jobs`, and `hosts` and `sinks` as in `facts`.
    #[arg(long, conflicts_with = "config")]
    file: Option<PathBuf>,
    /// Holds the job documents in `jobs/`: those of this source are planned, with what `facts.yml` tells of hosts; those kept
    /// here are measured. `/etc/handover`, unless a task says what to plan.
    #[arg(long)]
    config: Option<PathBuf>,
    /// What is known besides, laid over what a file says; each name in it is that of a job that is planned, of its source or its sink. `hosts` maps a source to its `zone` and its `jobs`, with
    /// `collect`, `transport`, `verify`, `restore`, `full` and `incremental` each, `delays`, `place` and `shift`; `sinks` maps a
    /// sink to its `zone`, `parallel`, `reserve`, `bandwidth` and `capacity`.
    #[arg(long)]
    facts: Option<Mapping>,
    /// What sinks have measured, as `measure` answers it in `facts`, laid over these. Of jobs that are not planned it counts for nothing.
    #[arg(long)]
    measured: Option<Mapping>,
    /// Remembers how far each source is shifted to share its sinks with the others, so that a new source moves nobody. Read
    /// where it is there, and written by `run`.
    #[arg(long)]
    places: Option<PathBuf>,
    /// `run`, too, leaves `places` as it is: for who only looks.
    #[arg(long)]
    places_unchanged: bool,
    /// So many days are shown as a calendar, such as `14d`.
    #[arg(long)]
    calendar: Option<Span>,
    /// The answer has the plan also as text, the calendar included: what people get on a terminal.
    #[arg(long)]
    text: bool,
    /// Where the calendar is written as a picture, of 14 days unless `calendar` says more or less, also of a plan that is refused. With several sources
    /// one each, with the source in its name: `calendar.svg` becomes `calendar.web1.svg`.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// The begin of what is proven, such as `2026-11-20T12:00:00Z`; default is now.
    #[arg(long)]
    from: Option<Timestamp>,
    /// What is told begins here: the calendar, and of a plan that is refused the first broken promise, if any is broken from here on. Default is
    /// the begin of what is proven.
    #[arg(long)]
    now: Option<Timestamp>,
    /// How many years are proven.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    years: u8,
}

#[derive(clap::Args)]
struct MeasureArgs {
    /// Holds the job documents in `jobs/`, by source.
    #[arg(long, default_value = "/etc/handover")]
    config: PathBuf,
}

const MODULE: Module = Module {
    name: "backup_plan",
    summary: "Derive cron entries from objectives, and prove them",
    description: &[
        "Derives from declared jobs the cron entries of all hosts, and what stores keep, and proves over years that they hold what is promised.",
        "Changes no host. It needs none: it works on a controller, and in a pipeline, from the declarations alone.",
        "Jobs whose promises cannot be held are refused with the first moment at which one is broken, and with the nearest change that helps.",
    ],
    examples: concat!(
        "- name: Plan the jobs of all sources, or refuse them\n",
        "  backup_plan:\n",
        "    jobs: \"{{ groups['all'] | map('extract', hostvars, 'backup_jobs') | flatten }}\"\n",
        "    facts:\n",
        "      hosts:\n",
        "        web1: {zone: Europe/Berlin}\n",
        "      sinks:\n",
        "        sink1: {zone: UTC, parallel: 4}\n",
        "  delegate_to: localhost\n",
        "  run_once: true\n",
        "  register: plan\n\n",
        "- name: Measure on a sink what the next plan should know\n",
        "  backup_plan:\n",
        "    action: measure\n",
        "  register: measured\n",
    ),
    files: &[
        ("/etc/handover/jobs", "The job documents, where no task and no file says what to plan."),
        ("/etc/handover/facts.yml", "What is known of the hosts of these jobs."),
    ],
    returns: || {
        vec![
            Returned::new("actions run and plan", &PlanReport::sample()),
            Returned::new("action measure", &MeasureReport::sample()),
        ]
    },
};

/// Entry point.
pub fn main() -> std::process::ExitCode {
    backup_interface::main(&MODULE, |command, call| match command {
        Command::Run(args) | Command::Plan(args) => run(&args, call),
        Command::Measure(args) => measure::measure(&args.config),
    })
}

/// What it can be told on a command line, for man pages and completions.
pub fn described() -> Described {
    Described::of::<Command>(MODULE)
}

fn run(args: &RunArgs, call: &Call) -> Result<Outcome, Failed> {
    let input = Input::of(args, call)?;
    let plan = plan(&input)?;
    let calendars = calendar::calendars(args, &input, &plan)?;
    let read = args.text || !call.speaks_json();
    let text = if read { text(args, &plan, &calendars) } else { String::new() };
    // Where a promise breaks, a picture is wanted most; but what is refused leaves no place to remember.
    let mut products: Vec<Product> = args.svg.iter().flat_map(|path| calendar::pictures(path, &calendars)).collect();
    let refused = Infeasible::first(&plan);
    if refused.is_none() && !args.places_unchanged {
        products.extend(args.places.iter().map(|path| Product::places(path, &plan)));
    }
    let mut report = PlanReport::of(&input, plan, args.calendar.map(|_| joined(&calendars)));
    report.text = args.text.then(|| text.clone());
    let mut differences = String::new();
    let written = products.iter().try_for_each(|product| {
        if product.write(call.check)? {
            differences = differences.clone() + &product.difference() + "\n";
        }
        Ok(())
    });
    if let Some(refused) = refused {
        let mut failed = Failed::from(refused).with_answer(text).with_report(&report);
        // Why a plan is refused matters more than a picture that cannot be written.
        if let Err::<_, Failed>(error) = written {
            failed = failed.with_warning(error.message());
        }
        return Err(if differences.is_empty() { failed } else { failed.with_changes() });
    }
    written?;
    let outcome = match differences.as_str() {
        "" => Outcome::unchanged(report.sentence()),
        differences => Outcome::changed(report.sentence()).with_diff(Diff::prepared(differences)),
    };
    Ok(outcome.with_answer(text).with_report(&report))
}

/// What people read.
fn text(args: &RunArgs, plan: &FleetPlan, calendars: &[Calendar]) -> String {
    let text = joined(&plan.plans) + &joined(&plan.sinks);
    if args.calendar.is_some() { text + "\n" + &joined(calendars) } else { text }
}

fn joined(texts: &[impl ToString]) -> String {
    texts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn plan(input: &Input) -> Result<FleetPlan, Failed> {
    let planned = |from| schedule::plan_fleet(&input.sources, &input.facts, from, input.until);
    let (mut fleet, mut from) = (planned(input.from)?, input.from);
    // What is derived follows from the whole time, so that it is the same day after day. Whoever is refused asks what will
    // happen, not what would have happened in spring.
    if input.now > from && !fleet.is_feasible() {
        let later = planned(input.now)?;
        if !later.is_feasible() {
            (fleet, from) = (later, input.now);
        }
    }
    let told = report::first_broken(&fleet).map(|(name, _)| name.to_owned());
    // Each change that is told was proven by plans: there are some for the source that is told first only.
    let refused = fleet.plans.iter_mut().filter(|plan| !plan.feasible);
    if let Some(plan) = refused.min_by_key(|plan| Some(&plan.source) != told.as_ref()) {
        let jobs = &input.sources[&plan.source];
        schedule::advise(plan, jobs, &fleet.facts, from, input.until)?;
    }
    Ok(fleet)
}

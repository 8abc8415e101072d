//! The actions: from the caller's options to a report.

use crate::access;
use crate::attempt;
use crate::carry::{self, Line};
use crate::cli::{AdoptArgs, DeliverArgs, FetchArgs, RunArgs, ServeArgs, StatusArgs};
use crate::ends::{Handle, Remote, SinkEnd, SourceEnd};
use crate::error::{Result, TransportError};
use crate::place::{Place, assume_user, own_streams};
use crate::report::{Action, AdoptReport, FetchReport, RunReport, StatusReport, StreamStatus, Waiting};
use crate::run::{Carry, Log, Session};
use crate::sink::LocalSink;
use crate::source::LocalSource;
use crate::wire::Status;
use crate::{deliver, fetch, notify, retry, serve};
use backup_adapters::confine::Force;
use backup_adapters::host::{self, Niceness};
use backup_adapters::jobs::{self, Named};
use backup_adapters::lock::Lock;
use backup_adapters::publish;
use backup_adapters::signals::Interrupt;
use backup_adapters::there;
use backup_common::timetable::Turn;
use backup_common::{Timetable, args, gate};
use backup_core::accepted::Accepted;
use backup_core::job::{Mode, Step};
use backup_core::{Kind, StreamName};
use backup_interface::{Call, Failed, Outcome};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where sshd listens unless somebody says otherwise.
const SSH: u16 = 22;

const AT_WORK: &str = "another run is at work";

/// An operator stops one host after the other. A side whose transport is cut short by the other's stop waits that long for
/// its own, before it calls it a failure.
const TOLD_NEXT: Duration = Duration::from_secs(20);

/// By a job's state, here or at the peer.
fn is_refused(failed: &Failed) -> bool {
    failed.failure().kind() == Kind::WrongState
}

fn interrupt() -> Result<Interrupt> {
    Ok(Interrupt::install().map_err(|source| TransportError::Io {
        action: "watch",
        path: "the signals".into(),
        source,
    })?)
}

fn place(named: &Named, name: StreamName, interrupt: &Interrupt) -> Result<Place> {
    let name = args::declared(&named.job, name)?;
    let (job, is_sink) = (named.job.clone(), named.is_sink);
    Ok(Place { job, name, is_sink, interrupt: interrupt.clone() })
}

/// Whom a stream's folders on this side belong to.
fn user_here(named: &Named, name: StreamName) -> (StreamName, String) {
    let of = named.job.stream(name).expect("callers name declared streams");
    (name, if named.is_sink { of.stream.sink.user.clone() } else { of.user().to_owned() })
}

fn remote(place: &Place) -> Remote {
    Remote { peer: carry::peer(place), subject: place.subject(), interrupt: place.interrupt.clone() }
}

/// Carries what waits in every stream that this side begins.
pub(crate) fn run(args: &RunArgs, call: &Call) -> Result<Outcome> {
    let named = args.what.load()?;
    let streams = own_streams(&named.job, named.is_sink, args.what.stream)?;
    if let Some(suspended) = gate::suspended(&named.job, named.is_sink)? {
        return Ok(gate::declined(call, &suspended, "is carried").with_report(&RunReport::default()));
    }
    // To a run that does not depend on it, a schedule that cannot be used is none.
    let timetable = match Timetable::new(&named, Step::Transport) {
        Err(error) if args.missed => return Err(error.into()),
        timetable => timetable.ok(),
    };
    let began = host::now().timestamp();
    assume_user(streams.iter().map(|name| user_here(&named, *name)))?;
    let interrupt = interrupt()?;
    if !call.check {
        // Being polite is a wish; where it is refused, transport is merely less polite.
        let _ = Niceness::from(named.job.priority).apply();
    }
    let mut report = RunReport::default();
    let mut warnings = Vec::new();
    let (mut problems, mut busy) = (Vec::new(), Vec::new());
    let mut nothing = "nothing is outstanding";
    for name in &streams {
        let place = place(&named, *name, &interrupt)?;
        if let Some(timetable) = timetable.as_ref().filter(|_| args.missed)
            && let Some(why) = timetable.declines(attempt::last(&place)?, began)
        {
            nothing = why;
            continue;
        }
        let lock = match run_lock(&place, call, timetable.as_ref().filter(|_| call.is_quiet() && !args.missed), began) {
            Ok(Some(Turn::Ours(lock, _))) => Some(lock),
            Ok(None) => None,
            // Whoever holds the lock, or waits for it next, carries what waits.
            Ok(Some(Turn::Relieved(_))) => {
                nothing = AT_WORK;
                continue;
            }
            Err(failed) if args.missed && failed.failure().kind() == Kind::Locked => {
                nothing = AT_WORK;
                continue;
            }
            Err(failed) => {
                busy.push(failed);
                continue;
            }
        };
        let mut log = Log::default();
        let last = if call.is_quiet() { attempt::last(&place)? } else { None };
        log.warnings.extend(access::daily_warning(&place, last, began));
        if let Err(failed) = stream(&place, call, &mut log) {
            log.problems.push(failed);
        }
        // A missed run for which nothing waited is still missed: what is caught up elsewhere may come yet.
        if lock.is_some() && (!args.missed || log.met_something()) {
            let remembered = attempt::remember(&place, began);
            log.warnings.extend(remembered.err().map(|failed| failed.message()));
        }
        warnings.append(&mut log.warnings);
        problems.append(&mut log.problems);
        report.outstanding.extend(log.outstanding.iter().map(|id| Waiting { stream: *name, id: *id }));
        for moved in log.moved.iter().filter(|moved| moved.moved_to_store) {
            notify::done(&format!(
                "{} {}: left the handover point, {:?}",
                place.subject(),
                moved.id,
                moved.action_word()
            ));
        }
        report.generations.append(&mut log.moved);
    }
    let mut declined = None;
    if !problems.is_empty()
        && problems.iter().all(is_refused)
        && let Some(suspended) = gate::suspended(&named.job, named.is_sink)?
    {
        // Both sides were told meanwhile: that the other one refuses is no failure.
        problems.clear();
        let msg = declined.insert(format!("{suspended}: nothing more is carried"));
        if !call.is_quiet() {
            warnings.push(format!("{msg}; what has arrived stays, and a later run goes on with it"));
        }
    }
    let mailed = !call.check
        && notify::failed(&named.job, &problems.iter().collect::<Vec<_>>(), &mut warnings)
        && busy.is_empty();
    // That another run is at it is told to the caller only: the other run tells what comes of it.
    problems.append(&mut busy);
    conclude(call, &report, declined.as_deref().unwrap_or(nothing), warnings, problems)
        .map_err(|failed| failed.mailed(mailed))
}

fn conclude(
    call: &Call,
    report: &RunReport,
    nothing: &str,
    warnings: Vec<String>,
    problems: Vec<Failed>,
) -> Result<Outcome> {
    let changed = report.generations.iter().filter(|moved| call.check || moved.moved_to_store).count();
    let mut problems = problems.into_iter();
    if let Some(mut failed) = problems.next() {
        for other in problems {
            failed = failed.with_warning(other.message());
        }
        failed = warnings.into_iter().fold(failed, Failed::with_warning);
        failed = failed.with_report(report);
        return Err(if changed > 0 && !call.check { failed.with_changes() } else { failed });
    }
    let generations = if changed == 1 { "generation" } else { "generations" };
    let outcome = match (changed, call.check) {
        (0, _) => Outcome::unchanged(nothing),
        (n, true) => Outcome::changed(format!("{n} {generations} would be carried")).with_answer(report.table()),
        (n, false) => Outcome::changed(format!("carried {n} {generations}")),
    };
    let outcome = if call.diff && changed > 0 { outcome.with_diff(report.diff()) } else { outcome };
    Ok(warnings.into_iter().fold(outcome, Outcome::with_warning).with_report(report))
}

/// Makes sure that no other run carries this stream; `None` where this one changes nothing. A scheduled run waits for another
/// one as long as it would repeat what fails.
fn run_lock(place: &Place, call: &Call, timetable: Option<&Timetable>, began: Timestamp) -> Result<Option<Turn>> {
    let waiting = place.waiting();
    let folder = waiting.dir().path();
    if call.check || (!place.is_sink && !there::is_there(folder)?) {
        return Ok(None);
    }
    publish::create_dirs(folder, 0o750, None)?;
    let (path, patience) = (waiting.dir().transport_lock(), place.of().stream.transport.window.duration());
    let take = || Lock::take(&path, "transport");
    Ok(Some(Timetable::turn(timetable, began, patience, &place.interrupt, take)?))
}

/// One stream: connects the two ends as the job says, and tries until the window is over.
fn stream(place: &Place, call: &Call, log: &mut Log) -> Result<()> {
    let line = Line { place, peer: carry::peer(place), call };
    match place.of().stream.transport.mode {
        Mode::Push => {
            let carry = |candidate: &_| line.push(candidate);
            let source = LocalSource { place: place.clone() };
            attempts(&session(place, call, source, remote(place), &carry), place, log)
        }
        Mode::Pull => {
            let carry = |candidate: &_| line.pull(candidate);
            let sink = LocalSink { place: place.clone() };
            attempts(&session(place, call, remote(place), sink, &carry), place, log)
        }
    }
}

fn session<'a, S, K>(place: &Place, call: &Call, source: S, sink: K, carry: &'a Carry<'a>) -> Session<'a, S, K> {
    let (subject, interrupt) = (place.subject(), place.interrupt.clone());
    Session { source, sink, carry, subject, check: call.check, gate: place.gate(), interrupt }
}

/// Tries as long as the window is open and the job active.
fn attempts<S: SourceEnd, K: SinkEnd>(session: &Session<'_, S, K>, place: &Place, log: &mut Log) -> Result<()> {
    let _watched = session.gate.watch(&session.interrupt);
    let mut before = Vec::new();
    let result = tries(session, place, log, &mut before);
    if result.as_ref().err().into_iter().chain(&log.problems).any(is_refused) {
        let is_cut = log.moved.iter().any(|moved| matches!(moved.action, Action::Fail | Action::Stop));
        let patience = if is_cut { TOLD_NEXT } else { Duration::ZERO };
        if session.interrupt.sleep(patience).is_err() {
            // It is stopped here, too: then that is all there is to tell.
            before.clear();
        }
    }
    log.warnings.append(&mut before);
    result
}

/// `before` gets what failed before the last attempt.
fn tries<S: SourceEnd, K: SinkEnd>(
    session: &Session<'_, S, K>,
    place: &Place,
    log: &mut Log,
    before: &mut Vec<String>,
) -> Result<()> {
    let (begin, window) = (Instant::now(), place.of().stream.transport.window.duration());
    for n in 1.. {
        let Err(failed) = session.attempt(log) else { break };
        let pause = retry::pause(n, random(), begin.elapsed(), window);
        match pause.filter(|_| failed.failure().retryable() && !session.check) {
            Some(pause) => {
                before.push(format!("attempt {n}: {}", failed.message()));
                place.interrupt.sleep(pause)?;
            }
            None => return Err(failed),
        }
    }
    Ok(())
}

fn random() -> u32 {
    // Without randomness all hosts wait equally long, which costs time and nothing else.
    host::random_hex(4).ok().and_then(|hex| u32::from_str_radix(&hex, 16).ok()).unwrap_or(u32::MAX)
}

/// How the streams stand here and, if asked, at the peer.
pub(crate) fn status(args: &StatusArgs) -> Result<Outcome> {
    let named = args.what.load()?;
    let streams = args.what.stream.of(&named.job)?;
    let interrupt = interrupt()?;
    let mut report = StatusReport { streams: Vec::new(), confinement: Force::here() };
    let mut warnings = Vec::new();
    for name in streams {
        let place = place(&named, name, &interrupt)?;
        let (here, alone) = if place.is_sink {
            (LocalSink { place: place.clone() }.handle(Status {})?, Vec::new())
        } else {
            LocalSource { place: place.clone() }.standing()?
        };
        let begins = (place.of().stream.transport.mode == Mode::Pull) == place.is_sink;
        let peer = match args.peer.then(|| remote(&place).handle(Status {})) {
            Some(Ok(standing)) if begins => Some(standing),
            Some(Err(failed)) if begins => {
                warnings.push(format!("{name}: {}", failed.message()));
                None
            }
            _ => None,
        };
        if !alone.is_empty() {
            let ids: Vec<_> = alone.iter().map(ToString::to_string).collect();
            let ids = ids.join(", ");
            warnings.push(format!("{name}: no rotation deletes what the sink gave no receipt for: {ids}"));
        }
        warnings.extend(access::warning(&place, host::now().timestamp()));
        report.streams.push(StreamStatus { stream: name, here, peer, certificate_until: access::until(&place) });
    }
    let outcome = Outcome::unchanged(format!("how {} stands", args.what.job.job)).with_answer(report.table());
    Ok(warnings.into_iter().fold(outcome, Outcome::with_warning).with_report(&report))
}

/// Where a person grants access, if not where the job's transport goes.
struct Granted<'a> {
    address: Option<&'a String>,
    port: Option<u16>,
    login: Option<&'a String>,
    identity: Option<&'a PathBuf>,
    known_hosts: Option<&'a PathBuf>,
}

impl Granted<'_> {
    /// Puts it in the place of the job's own peer, where one logs in as `login` if nobody says otherwise.
    fn replaces_peer(&self, place: &mut Place, login: String) {
        let stream = place.job.streams.get_mut(&place.name).expect("a place is of a declared stream");
        let declared = &mut stream.transport.peer;
        if let Some(address) = self.address {
            declared.address.clone_from(address);
        }
        declared.port = self.port.unwrap_or(declared.port);
        declared.user = self.login.cloned().or_else(|| declared.user.take()).or(Some(login));
        declared.identity = self.identity.cloned().or_else(|| declared.identity.take());
        if let Some(known_hosts) = self.known_hosts {
            declared.known_hosts.clone_from(known_hosts);
        }
    }
}

/// Brings a generation back from the sink.
pub(crate) fn fetch(args: &FetchArgs, call: &Call) -> Result<Outcome> {
    let named = args.job.load()?;
    if named.is_sink {
        return Err(wrong_side("fetch", &args.job.job, "this host is its sink"));
    }
    let mut place = place(&named, args.stream, &interrupt()?)?;
    let (mode, login) = (place.of().stream.transport.mode, place.of().stream.sink.login.clone());
    if mode == Mode::Pull && args.address.is_none() {
        let error = backup_interface::OptionError::new("address", "missing")
            .with_hint("The job's peer is the source itself: name the host of the sink.");
        return Err(error.into());
    }
    let granted = Granted {
        address: args.address.as_ref(),
        port: args.port,
        login: args.login.as_ref(),
        identity: args.identity.as_ref(),
        known_hosts: args.known_hosts.as_ref(),
    };
    granted.replaces_peer(&mut place, login);
    // Its user may put links into the restore folder: root must not follow them.
    assume_user([user_here(&named, args.stream)])?;
    let plan = fetch::plan(&place, &remote(&place), args.generation.into())?;
    let mut report: FetchReport = plan.report(&place)?;
    let changed = plan.is_change();
    if changed && !call.check {
        let line = Line { place: &place, peer: carry::peer(&place), call };
        report.wire_bytes = plan.run(&place, &line)?;
    }
    let msg = format!("generation {} lies in {}", report.generation, report.folder);
    let outcome = match (changed, call.check) {
        (false, _) => Outcome::unchanged(msg),
        (true, false) => Outcome::changed(msg),
        (true, true) => Outcome::changed(format!("generation {} would be fetched", report.generation)),
    };
    let outcome = if plan.is_verified(&place)? {
        outcome
    } else {
        outcome.with_warning(format!("generation {} was never verified at the sink", report.generation))
    };
    Ok(outcome.with_report(&report))
}

/// Places a generation in the restore folder of its source.
pub(crate) fn deliver(args: &DeliverArgs, call: &Call) -> Result<Outcome> {
    let named = args.job.load()?;
    if !named.is_sink {
        return Err(wrong_side("deliver", &args.job.job, "this host is its source"));
    }
    let mut place = place(&named, args.stream, &interrupt()?)?;
    let (mode, login) = (place.of().stream.transport.mode, place.of().user().to_owned());
    if mode == Mode::Push && args.address.is_none() {
        let error = backup_interface::OptionError::new("address", "missing")
            .with_hint("The job's peer is the sink itself: name the host of the source.");
        return Err(error.into());
    }
    if mode == Mode::Push {
        // What is declared is how the source reaches this sink.
        let declared = &mut place.job.streams.get_mut(&args.stream).expect("looked up above").transport.peer;
        (declared.port, declared.user) = (SSH, None);
    }
    let granted = Granted {
        address: args.address.as_ref(),
        port: args.port,
        login: args.login.as_ref(),
        identity: Some(&args.identity),
        known_hosts: args.known_hosts.as_ref(),
    };
    granted.replaces_peer(&mut place, login);
    assume_user([user_here(&named, args.stream)])?;
    let remote = remote(&place);
    let plan = deliver::plan(&place, &remote, args.generation.into())?;
    let Some(mut report) = plan.report(&remote) else { return Ok(Outcome::unchanged("nothing is to be delivered")) };
    let changed = plan.is_change();
    if changed && !call.check {
        let line = Line { place: &place, peer: carry::peer(&place), call };
        if let Err(failed) = plan.run(&remote, &line, &mut report) {
            let failed = if report.delivered.is_empty() { failed } else { failed.with_changes() };
            return Err(failed.with_report(&report));
        }
    }
    let msg = format!("generation {} lies in the restore folder of {}", report.generation, report.host);
    let outcome = match (changed, call.check) {
        (false, _) => Outcome::unchanged(msg),
        (true, false) => Outcome::changed(msg),
        (true, true) => Outcome::changed(format!("generation {} would be delivered", report.generation)),
    };
    let outcome = if plan.is_verified() {
        outcome
    } else {
        outcome.with_warning(format!("generation {} was never verified at this sink", report.generation))
    };
    Ok(outcome.with_report(&report))
}

/// Accepts generations of another source installation from here on.
pub(crate) fn adopt(args: &AdoptArgs, call: &Call) -> Result<Outcome> {
    let named = args.what.load()?;
    if !named.is_sink {
        return Err(wrong_side("adopt", &args.what.job.job, "this host is its source"));
    }
    let streams = args.what.stream.of(&named.job)?;
    let interrupt = interrupt()?;
    let mut report = AdoptReport { streams: Vec::new(), instance: args.instance.to_string() };
    assume_user(streams.iter().map(|name| user_here(&named, *name)))?;
    for name in streams {
        let place = place(&named, name, &interrupt)?;
        let store = place.store();
        if store.accepted()?.last().is_some_and(|line| line.instance == args.instance) {
            continue;
        }
        report.streams.push(name);
        if !call.check {
            place.ensure(&store)?;
            let _lock = place.lock(&store, "adopt")?;
            let at = host::now().timestamp();
            let line = Accepted { id: None, digest: None, instance: args.instance.clone(), at, took: None };
            store.accept(&line)?;
        }
    }
    let msg = format!("{} accepts source instance {}", args.what.job.job, args.instance);
    let outcome = if report.streams.is_empty() { Outcome::unchanged(msg) } else { Outcome::changed(msg) };
    Ok(outcome.with_report(&report))
}

fn wrong_side(action: &'static str, job: &str, why: &'static str) -> Failed {
    TransportError::WrongSide { action, job: job.to_owned(), why }.into()
}

/// Serves one request of a peer.
pub(crate) fn serve(args: &ServeArgs) -> Result<Outcome> {
    let named = jobs::load(&args.config, &args.job)?;
    let interrupt = interrupt()?;
    let place = place(&named, args.stream, &interrupt)?;
    if let Err(failed) = assume_user([user_here(&named, args.stream)]) {
        return serve::complain(failed).map(|()| Outcome::silent());
    }
    let _ = Niceness::from(named.job.priority).apply();
    serve::serve(&place, args.allow, std::env::var("SSH_ORIGINAL_COMMAND").ok().as_deref())?;
    Ok(Outcome::silent())
}

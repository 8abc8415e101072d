//! Every transition, legal and illegal, and what a state file says after it.

use super::*;
use crate::{Failure, Kind};
use proptest::prelude::*;

const AT: &str = "2026-11-20T22:00:00Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn in_state(state: State) -> Lifecycle {
    Lifecycle { state, ..Lifecycle::default() }
}

#[test]
fn what_has_ended_is_neither_under_way_nor_left() {
    for (action, to) in [(Action::Stop, State::Stopped), (Action::Terminate, State::Inactive)] {
        let begun = Lifecycle::default().begun(action, to, at(), "alice", &[]);
        assert!(begun.stopping || begun.terminating);
        let ended = begun.ended();
        assert!(!ended.stopping && !ended.terminating, "{action}");
        assert_eq!(Lifecycle { stopping: begun.stopping, terminating: begun.terminating, ..ended }, begun);
    }
}

/// The table of the states, as it is documented.
#[test]
fn all_transitions() {
    use Action::{Restart, Start, Stop, Terminate};
    use State::{Active, Inactive, Stopped};
    let legal = [
        (Inactive, Start, Active),
        (Active, Stop, Stopped),
        (Stopped, Restart, Active),
        (Stopped, Terminate, Inactive),
    ];
    for state in State::ALL {
        for action in Action::ALL {
            let wanted = legal.iter().find(|(from, by, _)| (*from, *by) == (state, action)).map(|(_, _, to)| *to);
            assert_eq!(state.after(action), wanted, "{state} {action}");
            let got = in_state(state).after("shop", action);
            if let Some(to) = wanted {
                assert_eq!(got, Ok(to));
                continue;
            }
            let refused = got.unwrap_err();
            assert_eq!(refused.kind(), Kind::WrongState);
            assert_eq!(refused.to_string(), format!("cannot {action} job shop: it is {state}"));
            let listed: Vec<_> = Action::ALL.into_iter().filter(|a| state.after(*a).is_some()).collect();
            let words: Vec<_> = listed.iter().map(|action| action.as_str()).collect();
            assert_eq!(refused.hint().unwrap(), format!("Legal for shop in state {state}: {}.", words.join(", ")));
        }
    }
}

#[test]
fn what_a_state_permits() {
    let permits = |state: State| (state.keeps_old(), state.creates_new(), state.applies());
    assert_eq!(permits(State::Active), (true, true, true));
    assert_eq!(permits(State::Stopped), (true, false, false));
    assert_eq!(permits(State::Inactive), (false, false, false));
}

#[test]
fn wishes_take_one_action_or_none() {
    use State::{Active, Inactive, Stopped};
    let wish = |from, to| in_state(from).towards("shop", to).map_err(|illegal| illegal.to_string());
    assert_eq!(wish(Active, Active), Ok(None));
    assert_eq!(wish(Active, Stopped), Ok(Some(Action::Stop)));
    assert_eq!(wish(Active, Inactive), Err("cannot make job shop inactive: it is active".into()));
    assert_eq!(wish(Stopped, Active), Ok(Some(Action::Restart)));
    assert_eq!(wish(Stopped, Stopped), Ok(None));
    assert_eq!(wish(Stopped, Inactive), Ok(Some(Action::Terminate)));
    assert_eq!(wish(Inactive, Active), Ok(Some(Action::Start)));
    assert_eq!(wish(Inactive, Stopped), Err("cannot make job shop stopped: it is inactive".into()));
    assert_eq!(wish(Inactive, Inactive), Ok(None));
}

#[test]
fn a_terminate_that_was_cut_short_can_only_be_finished() {
    let half = in_state(State::Stopped).begun(Action::Terminate, State::Inactive, at(), "root", &[StreamName::Data]);
    assert!(half.terminating && half.sync.is_empty());
    assert_eq!(half.legal(), [Action::Terminate]);
    assert_eq!(half.after("shop", Action::Terminate), Ok(State::Inactive));
    assert_eq!(half.towards("shop", State::Inactive), Ok(Some(Action::Terminate)));
    for action in [Action::Start, Action::Stop, Action::Restart] {
        let refused = half.after("shop", action).unwrap_err();
        assert!(refused.hint().unwrap().contains("terminate finishes it"), "{refused}");
    }
    assert!(half.towards("shop", State::Active).is_err());
    assert!(half.require_active("shop").is_err());
}

#[test]
fn a_stop_that_was_cut_short_can_be_finished_or_gone_back_on() {
    let half = in_state(State::Active).begun(Action::Stop, State::Stopped, at(), "root", &[StreamName::Data]);
    let suspended = half.require_active("shop").unwrap_err();
    assert!(half.stopping && suspended.hint().unwrap().contains("backup_job restart shop"), "{suspended:?}");
    assert_eq!(half.legal(), [Action::Stop, Action::Restart, Action::Terminate]);
    assert_eq!(half.after("shop", Action::Stop), Ok(State::Stopped));
    assert_eq!(half.towards("shop", State::Stopped), Ok(Some(Action::Stop)));
    let whole = half.ended();
    assert_eq!(whole.towards("shop", State::Stopped), Ok(None));
    assert!(whole.after("shop", Action::Stop).is_err());
    let back = half.begun(Action::Restart, State::Active, at(), "root", &[StreamName::Data]);
    assert!(!back.stopping && back.require_active("shop").is_ok());
}

#[test]
fn what_was_decided_for_several_jobs_is_open_until_it_has_ended() {
    let active = in_state(State::Active);
    assert_eq!(active.open_since(Action::Stop), None);
    let decided = Lifecycle { decided: Some(Decided { action: Action::Stop, at: at() }), ..active };
    assert_eq!((decided.open_since(Action::Stop), decided.open_since(Action::Terminate)), (Some(at()), None));
    assert!(decided.require_active("shop").is_ok(), "it is not begun");
    let begun = decided.begun(Action::Stop, State::Stopped, at(), "root", &[]);
    assert_eq!((begun.decided, begun.open_since(Action::Stop)), (None, Some(at())));
    assert_eq!(begun.ended().open_since(Action::Stop), None);
    assert_eq!(Lifecycle::parse(&decided.to_bytes()), Ok(decided));
}

#[test]
fn start_and_restart_begin_an_initial_sync_of_every_stream_and_stop_keeps_it() {
    let both = [StreamName::Data, StreamName::Logs];
    for (from, action) in [(State::Inactive, Action::Start), (State::Stopped, Action::Restart)] {
        let active = in_state(from).begun(action, State::Active, at(), "alice", &both);
        assert_eq!((active.state, active.since, active.by.as_deref()), (State::Active, Some(at()), Some("alice")));
        assert_eq!(active.sync.keys().copied().collect::<Vec<_>>(), both);
        assert!(active.sync.values().all(|sync| *sync == Sync::begin(at(), None)));
        assert!(active.require_active("shop").is_ok());
        let stopped = active.begun(Action::Stop, State::Stopped, at(), "bob", &both);
        assert_eq!(stopped.sync, active.sync);
        let suspended = stopped.require_active("shop").unwrap_err();
        assert_eq!(suspended.to_string(), format!("job shop is stopped since {AT}"));
        assert!(suspended.hint().unwrap().contains("backup_job restart shop"));
    }
}

#[test]
fn a_host_without_a_state_file_is_active() {
    let none = Lifecycle::default();
    assert!(none.require_active("shop").is_ok());
    assert_eq!(none.legal(), [Action::Stop]);
}

#[test]
fn state_files_of_others_are_refused() {
    assert!(matches!(Lifecycle::parse(b""), Err(LifecycleError::Syntax(_))));
    assert!(matches!(Lifecycle::parse(b"{}"), Err(LifecycleError::Syntax(_))));
    assert!(matches!(Lifecycle::parse(br#"{"format": 1, "state": "asleep"}"#), Err(LifecycleError::Syntax(_))));
    let newer = Lifecycle::parse(br#"{"format": 2, "state": {}}"#).unwrap_err();
    assert_eq!(newer, LifecycleError::Newer(2));
    assert_eq!(newer.kind(), Kind::VersionMismatch);
    assert!(newer.hint().unwrap().contains("version"));
    let damaged = Lifecycle::parse(b"").unwrap_err();
    assert_eq!(damaged.kind(), Kind::Damaged);
    assert!(damaged.hint().unwrap().contains("active"));
}

#[test]
fn when_a_full_is_an_initial_sync() {
    let now = at();
    let earlier: Timestamp = "2026-11-19T22:00:00Z".parse().unwrap();
    let started = Sync::begin(earlier, None);
    let failed = Sync { phase: Phase::Transferring, ..Sync::begin(earlier, Some("lost".into())) };
    let sealed = Sync { generation: Some("20261119T220000Z".parse().unwrap()), ..failed.clone() };
    let complete = Sync { phase: Phase::Complete, ..sealed.clone() };
    let due = |known, first, wanted| Sync::due(known, first, wanted, now);
    assert_eq!(due(None, true, None), Some(Sync::begin(now, None)));
    assert_eq!(due(None, false, None), None, "a full by schedule");
    assert_eq!(due(None, false, Some("lost")), Some(Sync::begin(now, Some("lost".into()))));
    assert_eq!(due(Some(&started), false, None), Some(started.clone()));
    assert_eq!(due(Some(&failed), false, None), Some(Sync::begin(earlier, Some("lost".into()))));
    assert_eq!(due(Some(&sealed), false, None), None, "it waits for transport");
    assert_eq!(due(Some(&sealed), false, Some("lost")), Some(Sync::begin(now, Some("lost".into()))));
    assert_eq!(due(Some(&complete), false, None), None);
    let forgotten = Sync { generation: None, ..complete.clone() };
    assert_eq!(due(Some(&forgotten), false, None), None);
    assert_eq!(Sync::begin(now, None).progress, Progress { slices_total: 1, ..Progress::default() });
    assert_eq!(due(Some(&complete), true, Some("lost")), Some(Sync::begin(now, Some("lost".into()))));
}

#[test]
fn how_far_each_side_sees() {
    let facts = |full_waits, acknowledged| SourceFacts { full_waits, acknowledged };
    let reading = Sync { phase: Phase::Transferring, ..Sync::begin(at(), None) };
    let sealed = Sync { generation: Some("20261119T220000Z".parse().unwrap()), ..reading.clone() };
    assert_eq!(facts(false, false).phase(None), None);
    assert_eq!(facts(true, false).phase(None), Some(Phase::Transferring));
    assert_eq!(facts(false, true).phase(None), Some(Phase::Complete));
    assert_eq!(facts(false, false).phase(Some(&Sync::begin(at(), None))), Some(Phase::Starting));
    assert_eq!(facts(true, false).phase(Some(&reading)), Some(Phase::Transferring));
    assert_eq!(facts(true, false).phase(Some(&sealed)), Some(Phase::Transferring));
    assert_eq!(facts(true, true).phase(Some(&sealed)), Some(Phase::Complete));

    let none = SinkFacts::default();
    assert_eq!(none.phase(), None);
    assert_eq!(SinkFacts { arriving: Some((1, 2)), ..none }.phase(), Some(Phase::Transferring));
    assert_eq!(SinkFacts { arriving: Some((2, 2)), ..none }.phase(), Some(Phase::Building));
    assert_eq!(SinkFacts { arriving: Some((2, 2)), verifies: true, ..none }.phase(), Some(Phase::FetchingMissing));
    assert_eq!(SinkFacts { verifies: true, unsigned: true, ..none }.phase(), Some(Phase::CreatingIndexes));
    assert_eq!(SinkFacts { unsigned: true, counts: true, ..none }.phase(), Some(Phase::Complete));
}

#[test]
fn files_have_nothing_to_apply() {
    let stands = |now| Phase::stands(now).into_values().collect::<Vec<_>>();
    let (done, to_come, none) = (Stand::Done, Stand::ToCome, Stand::NoWork);
    assert_eq!(stands(None), [to_come, to_come, to_come, none, to_come, to_come, to_come]);
    assert_eq!(stands(Some(Phase::Building)), [done, done, Stand::UnderWay, none, to_come, to_come, to_come]);
    assert_eq!(stands(Some(Phase::FetchingMissing)), [done, done, done, none, Stand::UnderWay, to_come, to_come]);
    assert_eq!(stands(Some(Phase::Complete)), [done, done, done, none, done, done, done]);
}

#[test]
fn phases_are_in_their_order() {
    assert!(Phase::ALL.is_sorted());
    let words: Vec<_> = Phase::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        ["starting", "transferring", "building", "applying", "fetching missing", "creating indexes", "complete"]
    );
}

prop_compose! {
    fn any_sync()(second in 0i64..2_000_000_000, cause: Option<String>, phase in prop::sample::select(Phase::ALL.to_vec()), bytes: u64, sealed: bool) -> Sync {
        let began = Timestamp::from_second(second).unwrap();
        let generation = sealed.then(|| "20261119T220000Z".parse().unwrap());
        Sync { began, cause, phase, progress: Progress { bytes, ..Progress::default() }, generation }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(state in prop::sample::select(State::ALL.to_vec()), by: Option<String>, terminating: bool, sync in prop::option::of(any_sync())) {
        let sync = sync.into_iter().map(|sync| (StreamName::Data, sync)).collect();
        let lifecycle = Lifecycle { format: FORMAT, state, since: Some(at()), by, terminating, stopping: !terminating, decided: None, sync };
        prop_assert_eq!(Lifecycle::parse(&lifecycle.to_bytes()), Ok(lifecycle));
    }

    /// Whatever is asked for, in any order: only the table's ways are gone, and copies are lost only by way of stopped.
    #[test]
    fn any_sequence_stays_on_the_table(actions in prop::collection::vec(prop::sample::select(Action::ALL.to_vec()), 0..40)) {
        let mut life = Lifecycle::default();
        for action in actions {
            let before = life.clone();
            match life.after("shop", action) {
                Ok(to) => {
                    life = life.begun(action, to, at(), "x", &[StreamName::Data]);
                    prop_assert!(before.legal().contains(&action));
                    prop_assert!(to != State::Inactive || before.state != State::Active);
                }
                Err(_) => prop_assert!(!before.legal().contains(&action)),
            }
            prop_assert!(!life.legal().is_empty());
        }
    }
}

//! A job that is stopped while something of it goes on: what takes long ends, by the state that somebody else wrote.
#![allow(clippy::unwrap_used)]

use backup_adapters::command::Command;
use backup_adapters::lifecycle::{self, Gate};
use backup_adapters::signals::Interrupt;
use backup_adapters::store::{Limits, Reread, StreamStore};
use backup_core::layout::StreamDir;
use backup_core::lifecycle::{Action, Lifecycle, State};
use backup_core::{Failure, Job, Kind, StreamName};
use backup_tests::generation::{self, JOB};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(1000);

#[test]
fn whatever_goes_on_ends_once_the_job_is_stopped() {
    let room = tempfile::tempdir().unwrap();
    let document = format!(
        "version: 1\njob: {JOB}\nsource: web1\nstate: {}\nstreams:\n  data:\n    include: [/srv]\n    transport: {{mode: push, peer: {{address: sink1}}}}\n    sink: {{name: sink1, retention: {{generations: 7}}}}\n",
        room.path().join("state").display()
    );
    let job = Job::parse(&document, "test").unwrap();
    let store = StreamStore::open(StreamDir::new(&room.path().join("store"), JOB, StreamName::Data));
    store.ensure(None, None).unwrap();
    let id = generation::full("20261116T220000Z").write(store.dir()).id;
    let interrupt = Interrupt::install().unwrap();
    let limits = Limits { deadline: None, interrupt: Some(interrupt.clone()), ..Limits::default() };

    let watch = Gate::of(&job, false).watch(&interrupt);
    assert_eq!(store.reread(id, &limits).unwrap(), Reread::Intact);
    let stopped = Lifecycle::default().begun(Action::Stop, State::Stopped, jiff::Timestamp::now(), "root", &[]);
    lifecycle::write(&job, false, &stopped).unwrap();
    // Each of them would take a quarter of an hour, or gigabytes.
    let ended = Command::new("sleep").arg("1000").interrupted_by(&interrupt).run().unwrap_err();
    let slept = interrupt.sleep(LONG).unwrap_err();
    let read = store.verify(id, &limits, "test").unwrap_err();
    for failure in [&ended as &dyn Failure, &slept, &read] {
        assert_eq!(failure.kind(), Kind::WrongState);
        assert!(failure.to_string().contains(&format!("job {JOB} is stopped since")), "{failure}");
        assert!(failure.hint().unwrap().contains("backup_job restart"));
    }
    assert_eq!(store.get(id).unwrap().checked, None, "nothing is known of what was not read to its end");

    // Whoever watches no more is not ended by what comes later.
    drop(watch);
    let other = Interrupt::install().unwrap();
    drop(Gate::of(&job, false).watch(&other));
    other.sleep(Duration::from_millis(1200)).unwrap();
}

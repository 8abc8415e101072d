//! One process, because handlers are per process: a real signal ends a real child and a real sleep.
#![allow(clippy::unwrap_used)]

use backup_adapters::command::{Command, CommandError};
use backup_adapters::signals::Interrupt;
use backup_core::{Failure, Kind};
use std::time::{Duration, Instant};

#[test]
fn sigterm_ends_children_that_may_be_ended_and_no_others() {
    let interrupt = Interrupt::install().unwrap();
    interrupt.check().unwrap();
    interrupt.sleep(Duration::from_millis(1)).unwrap();

    let started = Instant::now();
    let script = format!("kill -TERM {}; exec sleep 1000", std::process::id());
    let error = Command::new("sh").arg("-c").arg(script).interrupted_by(&interrupt).run().unwrap_err();
    assert!(matches!(error, CommandError::Interrupted { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Interrupted);

    assert!(interrupt.is_set());
    let error = interrupt.sleep(Duration::from_secs(1000)).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.kind().exit_code()), ("ended by SIGTERM", 130));
    assert!(started.elapsed() < Duration::from_secs(20));

    // What has to be finished is not touched, even when it starts afterwards.
    assert_eq!(Command::new("echo").arg("started").run().unwrap().text(), "started\n");
    let error = Command::new("true").interrupted_by(&interrupt).run().unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
}

//! Real units under a real systemd. Run them in a container or a virtual machine that systemd booted, as root:
//! `cargo test -p backup-adapters --test systemd -- --ignored --test-threads=1`. They make units called
//! `handover-test*` in `/run` and remove them.
#![allow(clippy::unwrap_used)]

use backup_adapters::intent::{self, IntentError, Recovery, Window};
use backup_adapters::rescue::{self, Armed};
use backup_adapters::services::{Service, ServiceError, Unit};
use backup_core::{Failure, Kind};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const UNITS: &str = "/run/systemd/system";
const LONG: Duration = Duration::from_hours(1);

fn systemctl(args: &[&str]) -> String {
    let output = Command::new("systemctl").args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct Units(Vec<PathBuf>);

impl Units {
    fn new(units: &[(&str, &str)]) -> Self {
        assert!(backup_adapters::host::has_systemd(), "these tests need systemd as the service manager");
        let paths: Vec<_> = units.iter().map(|(name, _)| Path::new(UNITS).join(name)).collect();
        for (path, (_, text)) in paths.iter().zip(units) {
            fs::write(path, text).unwrap();
        }
        systemctl(&["daemon-reload"]);
        Self(paths)
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        // What would start a service again goes before it.
        for path in self.0.iter().rev() {
            systemctl(&["disable", "--runtime", "--now", path.file_name().unwrap().to_str().unwrap()]);
            let _ = fs::remove_file(path);
        }
        systemctl(&["daemon-reload"]);
        systemctl(&["reset-failed"]);
    }
}

fn unit(name: &str) -> Service {
    Service::Systemd(Unit { name: name.into(), timeout: Duration::from_secs(20) })
}

const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep 1000\n";

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs systemd as PID 1"]
fn a_service_goes_and_comes_with_its_socket_and_timer() {
    let names = ["handover-test.timer", "handover-test.socket", "handover-test.service"];
    let _units = Units::new(&[
        (names[2], SLEEPER),
        (names[1], "[Socket]\nListenStream=/run/handover-test.sock\n"),
        (names[0], "[Timer]\nOnCalendar=*-*-* *:*:*\nAccuracySec=100ms\n"),
    ]);
    // systemd refuses a socket whose service runs, and the timer starts that within a second.
    systemctl(&["start", names[1]]);
    systemctl(&["start", names[0], names[2]]);
    let state = tempfile::tempdir().unwrap();
    let mut window = Window::open(state.path(), "shop", &[unit(names[2])], LONG).unwrap();
    let listed: Vec<_> =
        window.services().iter().map(|entry| (entry.service.name().to_owned(), entry.was_on)).collect();
    assert_eq!(listed, names.map(|name| (name.to_owned(), true)));
    window.stop().unwrap();
    // A second passes, in which the timer would have fired.
    std::thread::sleep(Duration::from_millis(1500));
    for name in names {
        assert_eq!(systemctl(&["is-active", name]), "inactive", "{name}");
    }
    window.still_quiet().unwrap();
    window.start().unwrap();
    for name in names {
        assert_eq!(systemctl(&["is-active", name]), "active", "{name}");
    }
}

#[test]
#[ignore = "needs systemd as PID 1"]
fn what_systemd_stops_with_a_service_comes_back_with_it() {
    let with = |line: &str| format!("[Unit]\n{line}=handover-test-f.service\nAfter=handover-test-f.service\n{SLEEPER}");
    let needs_a_dependent = "[Unit]\nRequires=handover-test-g.service\n[Service]\nExecStart=/bin/sleep 1000\n";
    let names = ["f", "g", "h", "i", "j", "k"].map(|letter| format!("handover-test-{letter}.service"));
    let texts = [SLEEPER, &with("Requires"), &with("BindsTo"), &with("PartOf"), needs_a_dependent, &with("PartOf")];
    let units: Vec<_> = names.iter().map(String::as_str).zip(texts).collect();
    let _units = Units::new(&units);
    let on: Vec<_> = names[..5].iter().map(String::as_str).collect();
    systemctl(&[&["start"], on.as_slice()].concat());
    let state = tempfile::tempdir().unwrap();
    let mut window = Window::open(state.path(), "shop", &[unit(&names[0])], LONG).unwrap();
    assert_eq!(window.services().last().unwrap().service.name(), names[0]);
    assert_eq!(window.services().len(), 5, "{:?}", window.services());
    window.stop().unwrap();
    window.still_quiet().unwrap();
    let are = |state: &str| on.iter().all(|name| systemctl(&["is-active", name]) == state);
    assert!(are("inactive"));
    window.start().unwrap();
    assert!(are("active"));
    assert_eq!(systemctl(&["is-active", &names[5]]), "inactive");
}

#[test]
#[ignore = "needs systemd as PID 1"]
fn what_is_on_its_way_down_is_awaited() {
    let slow = "[Service]\nExecStart=/bin/sleep 1000\nExecStop=/bin/sleep 2\n";
    let _units = Units::new(&[("handover-test-l.service", slow)]);
    systemctl(&["start", "handover-test-l.service"]);
    systemctl(&["stop", "--no-block", "handover-test-l.service"]);
    eventually("it stops", || systemctl(&["is-active", "handover-test-l.service"]) == "deactivating");
    let state = tempfile::tempdir().unwrap();
    let window = Window::open(state.path(), "shop", &[unit("handover-test-l.service")], LONG).unwrap();
    assert_eq!(systemctl(&["is-active", "handover-test-l.service"]), "inactive");
    assert!(!window.services()[0].was_on);
}

#[test]
#[ignore = "needs systemd as PID 1"]
fn a_unit_that_came_and_went_is_noticed() {
    // systemd forgets when it was stopped if nothing refers to it; what comes up at boot is referred to.
    let enabled = format!("{SLEEPER}[Install]\nWantedBy=multi-user.target\n");
    let _units = Units::new(&[("handover-test-a.service", enabled.as_str())]);
    systemctl(&["enable", "--runtime", "--now", "handover-test-a.service"]);
    let state = tempfile::tempdir().unwrap();
    let mut window = Window::open(state.path(), "shop", &[unit("handover-test-a.service")], LONG).unwrap();
    window.stop().unwrap();
    window.still_quiet().unwrap();
    systemctl(&["start", "handover-test-a.service"]);
    systemctl(&["stop", "handover-test-a.service"]);
    let error = window.still_quiet().unwrap_err();
    assert!(matches!(error, IntentError::CameBack { .. }), "{error}");
    window.start().unwrap();
    assert_eq!(systemctl(&["is-active", "handover-test-a.service"]), "active");
}

#[test]
#[ignore = "needs systemd as PID 1"]
fn off_stays_off_and_failures_and_unknown_units_are_told() {
    let dies = "[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=1000\n[Service]\nExecStart=/bin/false\n";
    let comes_again =
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=200ms\n";
    let once = "[Service]\nType=oneshot\nExecStart=/bin/true\n";
    let _units = Units::new(&[
        ("handover-test-b.service", SLEEPER),
        ("handover-test-c.service", dies),
        ("handover-test-d.service", once),
        ("handover-test-m.service", comes_again),
    ]);
    let state = tempfile::tempdir().unwrap();
    let mut window = Window::open(state.path(), "shop", &[unit("handover-test-b.service")], LONG).unwrap();
    window.stop().unwrap();
    window.start().unwrap();
    assert_eq!(systemctl(&["is-active", "handover-test-b.service"]), "inactive");
    unit("handover-test-d.service").start().unwrap();
    // systemd calls them active for a moment.
    for name in ["handover-test-c.service", "handover-test-m.service"] {
        let error = unit(name).start().unwrap_err();
        assert!(matches!(error, ServiceError::Died { .. }), "{error}");
        assert_eq!(error.kind(), Kind::ServiceStart);
    }
    // A backup is made of an application that fails already, and leaves it as it was.
    eventually("it comes again", || {
        systemctl(&["show", "-P", "SubState", "handover-test-m.service"]) == "auto-restart"
    });
    let mut window = Window::open(state.path(), "shop", &[unit("handover-test-m.service")], LONG).unwrap();
    window.stop().unwrap();
    assert_eq!(systemctl(&["is-active", "handover-test-m.service"]), "inactive");
    window.start().unwrap();
    eventually("it comes again", || {
        systemctl(&["show", "-P", "SubState", "handover-test-m.service"]) == "auto-restart"
    });
    let error = unit("handover-test-none.service").is_on().unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!unit("handover-test-b.service").is_on().unwrap());
}

#[test]
#[ignore = "needs systemd as PID 1"]
fn a_timer_rescues_and_a_disarmed_one_does_not() {
    let room = tempfile::tempdir().unwrap();
    let touch = |name: &str| -> Vec<OsString> { vec!["/usr/bin/touch".into(), room.path().join(name).into()] };
    let first = rescue::arm("web1/shop", &touch("fired"), Duration::ZERO).unwrap();
    let second = rescue::arm("web1/shop", &touch("disarmed"), Duration::from_secs(1)).unwrap();
    assert!(matches!((&first, &second), (Armed::Timer(_), Armed::Timer(_))));
    second.disarm();
    eventually("the timer fires", || room.path().join("fired").exists());
    first.disarm();
    std::thread::sleep(Duration::from_secs(3));
    assert!(!room.path().join("disarmed").exists());
    assert!(!systemctl(&["list-units", "--all", "--plain", "handover-rescue-*"]).contains("handover-rescue-web1"));
}

#[test]
#[ignore = "needs systemd as PID 1"]
fn what_a_rescue_started_outlives_it_and_one_that_fails_is_tried_again() {
    let room = tempfile::tempdir().unwrap();
    let (tried, pid) = (room.path().join("tried"), room.path().join("pid"));
    let text = format!(
        "test -e {0} || {{ touch {0}; exit 1; }}; sleep 1000 & echo $! >{1}.tmp; mv {1}.tmp {1}",
        tried.display(),
        pid.display()
    );
    let armed = rescue::arm("shop", &["/bin/sh".into(), "-c".into(), text.into()], Duration::ZERO).unwrap();
    eventually("it is tried", || tried.exists());
    let deadline = Instant::now() + Duration::from_secs(90);
    while !pid.exists() {
        assert!(Instant::now() < deadline, "never tried again");
        std::thread::sleep(Duration::from_millis(500));
    }
    armed.disarm();
    let pid = fs::read_to_string(pid).unwrap();
    eventually("it has ended", || {
        !systemctl(&["list-units", "--plain", "--state=active,activating", "handover-rescue-shop*"]).contains("rescue")
    });
    assert!(Path::new("/proc").join(pid.trim()).exists());
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[test]
#[ignore = "needs systemd as PID 1"]
fn recover_starts_what_a_dead_owner_stopped() {
    let _units = Units::new(&[("handover-test-e.service", SLEEPER)]);
    systemctl(&["start", "handover-test-e.service"]);
    let state = tempfile::tempdir().unwrap();
    let mut window = Window::open(state.path(), "shop", &[unit("handover-test-e.service")], LONG).unwrap();
    window.stop().unwrap();
    let restored = intent::recover(state.path(), true).unwrap();
    assert_eq!(restored, Recovery::Restored(vec!["handover-test-e.service".into()]));
    assert_eq!(window.still_quiet().unwrap_err().kind(), Kind::WindowBroken);
    assert_eq!(systemctl(&["is-active", "handover-test-e.service"]), "active");
}

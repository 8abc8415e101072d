//! Windows over real services (scripts with pid files), with owners that die, hang, and race the rescue.
//!
//! A second process is this test executable again: it runs the one test called `owner` in the role that
//! `OWNER_ROLE` names, says so on stdout, and waits to be killed.
#![allow(clippy::unwrap_used)]

use backup_adapters::intent::{self, IntentError, Phase, Recovery, Window};
use backup_adapters::services::{Declared, Service};
use backup_core::{Failure, Kind};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SERVICE: &str = r#"#!/bin/sh
d=$1
alive() { [ -f "$d/pid" ] && grep -q ') [^Z]' "/proc/$(cat "$d/pid")/stat" 2>/dev/null; }
case $2 in
status) [ -f "$d/broken-status" ] && exit 77; alive || exit 3 ;;
start)
    echo "start $(basename "$d")" >>"$d/../log"
    [ -f "$d/broken" ] && exit 1
    [ -f "$d/dies" ] && { sleep 0.2 & echo $! >"$d/pid"; exit 0; }
    alive || { sleep 1000 & echo $! >"$d/pid"; } ;;
stop)
    echo "stop $(basename "$d")" >>"$d/../log"
    [ -f "$d/strict" ] && ! alive && exit 1
    [ -f "$d/hangs" ] && sleep 1000
    [ -f "$d/slow" ] && sleep 2
    [ -f "$d/deaf" ] && exit 0
    alive && kill "$(cat "$d/pid")"; rm -f "$d/pid"; exit 0 ;;
esac
"#;

struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        fs::write(room.path("service"), SERVICE).unwrap();
        fs::create_dir(room.path("state")).unwrap();
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn service(&self, name: &str, on: bool) -> Service {
        let service = declared(self.0.path(), name);
        fs::create_dir_all(self.path(name)).unwrap();
        if on {
            // Without the wait that tells whether it stays.
            let words = [self.path("service"), self.path(name), "start".into()];
            assert!(Command::new("sh").args(words).status().unwrap().success());
            fs::remove_file(self.path("log")).unwrap();
        }
        service
    }

    /// Two that are on and one that is off.
    fn three(&self) -> [Service; 3] {
        [self.service("db", true), self.service("web", true), self.service("idle", false)]
    }

    fn set(&self, name: &str, flag: &str) {
        fs::write(self.path(name).join(flag), "").unwrap();
    }

    fn log(&self) -> Vec<String> {
        fs::read_to_string(self.path("log")).unwrap_or_default().lines().map(Into::into).collect()
    }

    fn owner(&self, role: &str) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "owner", "--nocapture"])
            .env("OWNER_ROLE", role)
            .env("OWNER_ROOM", self.0.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ready = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(ready.into_iter().any(|line| line.contains("READY")), "the owner never got there");
        child
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.0.path()).unwrap().flatten() {
            if let Ok(pid) = fs::read_to_string(entry.path().join("pid")) {
                let _ = Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status();
            }
        }
    }
}

/// Kills it; afterwards it is gone.
fn end(owner: &mut Child) {
    owner.kill().unwrap();
    owner.wait().unwrap();
}

fn on<const N: usize>(services: &[Service; N]) -> [bool; N] {
    services.each_ref().map(|service| service.is_on().unwrap())
}

fn declared(room: &Path, name: &str) -> Service {
    let words = |verb: &str| {
        ["sh", room.join("service").to_str().unwrap(), room.join(name).to_str().unwrap(), verb].map(String::from).into()
    };
    Service::Declared(Declared {
        name: name.into(),
        status: words("status"),
        stop: words("stop"),
        start: words("start"),
        timeout: Duration::from_secs(3),
    })
}

const LONG: Duration = Duration::from_hours(1);

/// The second process of the other tests; does nothing when it is run as a test.
#[test]
fn owner() {
    let (Ok(role), Ok(room)) = (std::env::var("OWNER_ROLE"), std::env::var("OWNER_ROOM")) else { return };
    let room = PathBuf::from(room);
    let services = [declared(&room, "db"), declared(&room, "web"), declared(&room, "idle")];
    if role == "recover" {
        intent::recover(&room.join("state"), true).unwrap();
        return;
    }
    let mut window = Window::open(&room.join("state"), "shop", &services, LONG).unwrap();
    if role == "whole" {
        window.stop().unwrap();
        window.still_quiet().unwrap();
        return window.start().unwrap();
    }
    if role == "hanging" {
        // The second service hangs in its stop, so somebody else has to see how far we came.
        println!("READY");
        let _ = window.stop();
    }
    if role == "stopped" {
        window.stop().unwrap();
    }
    println!("READY");
    loop {
        std::thread::park();
    }
}

#[test]
fn on_comes_back_on_and_off_stays_off_in_order() {
    let room = Room::new();
    let services = [room.service("web", true), room.service("db", true), room.service("idle", false)];
    let mut window = Window::open(&room.state(), "shop", &services, LONG).unwrap();
    assert_eq!(intent::pending(&room.state()).unwrap().unwrap().phase, Phase::Stopping);
    window.stop().unwrap();
    assert_eq!(intent::pending(&room.state()).unwrap().unwrap().phase, Phase::Stopped);
    assert!(services.iter().all(|service| !service.is_on().unwrap()));
    window.still_quiet().unwrap();
    window.start().unwrap();
    assert_eq!(on(&services), [true, true, false]);
    assert_eq!(room.log(), ["stop web", "stop db", "stop idle", "start db", "start web"]);
    assert_eq!(intent::pending(&room.state()).unwrap(), None);
    assert_eq!(intent::recover(&room.state(), false).unwrap(), Recovery::Nothing);
}

#[test]
fn a_dropped_window_starts_everything() {
    let room = Room::new();
    let services = [room.service("web", true)];
    let mut window = Window::open(&room.state(), "shop", &services, LONG).unwrap();
    window.stop().unwrap();
    drop(window);
    assert!(services[0].is_on().unwrap());
    assert_eq!(intent::pending(&room.state()).unwrap(), None);
}

#[test]
fn a_service_that_does_not_stop_fails_the_window_and_the_others_return() {
    let room = Room::new();
    let services = [room.service("web", true), room.service("db", true)];
    room.set("db", "deaf");
    let mut window = Window::open(&room.state(), "shop", &services, LONG).unwrap();
    let error = window.stop().unwrap_err();
    assert_eq!(error.kind(), Kind::ServiceStop);
    assert!(error.to_string().contains("db"), "{error}");
    window.start().unwrap();
    assert!(services.iter().all(|service| service.is_on().unwrap()));
}

#[test]
fn a_stop_that_fails_because_the_service_is_off_already_is_fine() {
    let room = Room::new();
    let services = [room.service("web", true), room.service("idle", false)];
    room.set("idle", "strict");
    let mut window = Window::open(&room.state(), "shop", &services, LONG).unwrap();
    window.stop().unwrap();
    window.start().unwrap();
    assert_eq!(on(&services), [true, false]);
    assert_eq!(room.log(), ["stop web", "stop idle", "start web"]);
}

#[test]
fn an_unclear_status_opens_no_window() {
    let room = Room::new();
    let services = [room.service("web", true)];
    room.set("web", "broken-status");
    let error = Window::open(&room.state(), "shop", &services, LONG).unwrap_err();
    assert!(error.to_string().contains("cannot tell whether the service web is on"), "{error}");
    assert_eq!(intent::pending(&room.state()).unwrap(), None);
    assert!(room.log().is_empty());
}

#[test]
fn a_service_that_does_not_start_is_loud_and_the_intent_stays_for_the_next_try() {
    for flag in ["broken", "dies"] {
        let room = Room::new();
        let services = [room.service("web", true), room.service("db", true)];
        let mut window = Window::open(&room.state(), "shop", &services, LONG).unwrap();
        window.stop().unwrap();
        room.set("db", flag);
        let error = window.start().unwrap_err();
        assert_eq!(error.kind(), Kind::ServiceStart, "{flag}: {error}");
        // The other one is not held back by it.
        assert!(services[0].is_on().unwrap());
        assert_eq!(intent::recover(&room.state(), false).unwrap_err().kind(), Kind::ServiceStart);
        let error = Window::open(&room.state(), "shop", &services, LONG).unwrap_err();
        assert!(matches!(error, IntentError::Unfinished { .. }), "{error}");
        fs::remove_file(room.path("db").join(flag)).unwrap();
        let restored = intent::recover(&room.state(), false).unwrap();
        assert_eq!(restored, Recovery::Restored(vec!["db".into(), "web".into()]));
        assert!(services[1].is_on().unwrap());
    }
}

#[test]
fn a_service_that_comes_back_breaks_the_window() {
    let room = Room::new();
    let services = [room.service("web", true)];
    let mut window = Window::open(&room.state(), "shop", &services, LONG).unwrap();
    window.stop().unwrap();
    services[0].start().unwrap();
    let error = window.still_quiet().unwrap_err();
    assert_eq!(error.kind(), Kind::WindowBroken);
}

#[test]
fn an_owner_killed_at_any_step_leaves_what_recover_puts_right() {
    for role in ["open", "stopped"] {
        let room = Room::new();
        let services = room.three();
        let mut owner = room.owner(role);
        // While it lives and has time, nobody interferes.
        assert!(matches!(intent::recover(&room.state(), false).unwrap(), Recovery::Running(_)));
        assert_eq!(services[0].is_on().unwrap(), role == "open");
        end(&mut owner);
        // Somebody else (cron, a person) asks at this moment whether the owner lives.
        let asks = std::fs::File::open(room.state().join("window.lock")).unwrap();
        asks.try_lock_shared().unwrap();
        let restored = intent::recover(&room.state(), false).unwrap();
        assert_eq!(restored, Recovery::Restored(vec!["web".into(), "db".into()]));
        assert_eq!(on(&services), [true, true, false], "{role}");
        drop(asks);
        assert_eq!(intent::recover(&room.state(), false).unwrap(), Recovery::Nothing);
        // The next run finds nothing in its way.
        Window::open(&room.state(), "shop", &services, LONG).unwrap().start().unwrap();
    }
}

#[test]
fn an_owner_killed_while_a_service_stops_does_not_leave_it_off() {
    let room = Room::new();
    let services = room.three();
    room.set("web", "slow");
    let mut owner = room.owner("hanging");
    while room.log().last().map(String::as_str) != Some("stop web") {
        std::thread::sleep(Duration::from_millis(10));
    }
    end(&mut owner);
    // The stopping command lives on and still holds the step lock: recover waits for its end, then starts.
    intent::recover(&room.state(), false).unwrap();
    assert_eq!(on(&services), [true, true, false]);
    assert_eq!(room.log(), ["stop db", "stop web", "start web", "start db"]);
}

#[test]
fn the_rescue_fires_on_time_and_the_owner_learns_it() {
    let room = Room::new();
    let services = [room.service("web", true)];
    let mut window = Window::open(&room.state(), "shop", &services, Duration::from_millis(200)).unwrap();
    window.stop().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(intent::recover(&room.state(), false).unwrap(), Recovery::Restored(vec!["web".into()]));
    assert!(services[0].is_on().unwrap());
    assert!(matches!(window.still_quiet().unwrap_err(), IntentError::RescueFired { .. }));
    let error = window.start().unwrap_err();
    assert_eq!(error.kind(), Kind::WindowBroken);
    assert!(services[0].is_on().unwrap());
    assert_eq!(room.log(), ["stop web", "start web"]);
}

#[test]
fn a_stop_that_hangs_does_not_keep_the_rescue_out() {
    let room = Room::new();
    let services = [room.service("db", true), room.service("web", true)];
    room.set("web", "hangs");
    let mut window = Window::open(&room.state(), "shop", &services, Duration::from_millis(100)).unwrap();
    let state = room.state();
    let rescue = std::thread::spawn(move || {
        while !matches!(intent::recover(&state, false), Ok(Recovery::Restored(_))) {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let error = window.stop().unwrap_err();
    assert!(matches!(error.kind(), Kind::ServiceStop | Kind::WindowBroken), "{error}");
    rescue.join().unwrap();
    assert!(services.iter().all(|service| service.is_on().unwrap()));
    assert_eq!(window.start().unwrap_err().kind(), Kind::WindowBroken);
    assert!(services.iter().all(|service| service.is_on().unwrap()));
}

#[test]
fn rescue_and_start_at_once_start_each_service_once() {
    for _ in 0..5 {
        let room = Room::new();
        let services = [room.service("web", true), room.service("db", true)];
        let mut window = Window::open(&room.state(), "shop", &services, LONG).unwrap();
        window.stop().unwrap();
        let state = room.state();
        let rescue = std::thread::spawn(move || intent::recover(&state, true).unwrap());
        let started = window.start();
        rescue.join().unwrap();
        assert!(started.is_ok() || matches!(started, Err(IntentError::RescueFired { .. })));
        assert!(services.iter().all(|service| service.is_on().unwrap()));
        let starts = room.log().iter().filter(|line| line.starts_with("start")).count();
        assert_eq!(starts, 2, "{:?}", room.log());
        assert_eq!(intent::pending(&room.state()).unwrap(), None);
    }
}

#[test]
fn after_a_reboot_the_services_are_started_even_while_time_is_left() {
    let room = Room::new();
    let services = room.three();
    let mut owner = room.owner("stopped");
    end(&mut owner);
    let path = room.state().join("intent.json");
    let text = fs::read_to_string(&path).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    fs::write(&path, text.replace(boot.trim(), "00000000-0000-0000-0000-000000000000")).unwrap();
    intent::recover(&room.state(), false).unwrap();
    assert_eq!(on(&services), [true, true, false]);
}

#[test]
fn an_intent_of_another_version_starts_the_services_if_it_is_understood() {
    let room = Room::new();
    let services = room.three();
    let mut owner = room.owner("stopped");
    end(&mut owner);
    let path = room.state().join("intent.json");
    let mut newer: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    newer["version"] = 2.into();
    newer["reason"] = "collect".into();
    newer["services"][0]["since"] = 1.into();
    let id = newer.as_object_mut().unwrap().remove("id").unwrap();
    fs::write(&path, newer.to_string()).unwrap();
    let error = intent::recover(&room.state(), false).unwrap_err();
    assert!(error.to_string().contains("it has version 2, and this executable knows 1: "), "{error}");
    assert!(error.hint().unwrap().contains("by hand"));
    newer["id"] = id;
    fs::write(&path, newer.to_string()).unwrap();
    intent::recover(&room.state(), false).unwrap();
    assert_eq!(on(&services), [true, true, false]);
}

#[test]
fn two_windows_of_one_job_are_refused_and_garbage_is_named() {
    let room = Room::new();
    let services = room.three();
    let mut owner = room.owner("open");
    let error = Window::open(&room.state(), "shop", &services, LONG).unwrap_err();
    assert_eq!(error.kind(), Kind::Locked);
    end(&mut owner);
    fs::write(room.state().join("intent.json"), "{").unwrap();
    let error = intent::recover(&room.state(), false).unwrap_err();
    assert!(error.to_string().contains("intent.json"), "{error}");
}

#[test]
fn no_services_need_no_time() {
    let room = Room::new();
    let mut window = Window::open(&room.state(), "shop", &[], LONG).unwrap();
    window.stop().unwrap();
    window.still_quiet().unwrap();
    window.start().unwrap();
}

/// Kills the owner, and a recovery, with SIGKILL at every point that it passes, each time it passes it. Only in a
/// build with the feature `fault-points`.
#[cfg(feature = "fault-points")]
#[test]
fn killed_at_every_point_the_services_come_back() {
    use std::collections::HashMap;
    for role in ["whole", "recover"] {
        let points = passed_points(role);
        assert!(points.len() > 5, "{points:?}");
        let mut passes = HashMap::new();
        for point in &points {
            let pass: &mut u32 = passes.entry(point).or_default();
            *pass += 1;
            let room = Room::new();
            let services = room.three();
            let status = run_role(&room, role, &[("HANDOVER_FAULT", &format!("{point}:{pass}"))]);
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{role} {point}:{pass}");
            intent::recover(&room.state(), false).unwrap();
            assert_eq!(on(&services), [true, true, false], "{role} {point}:{pass}");
            assert_eq!(intent::pending(&room.state()).unwrap(), None);
            Window::open(&room.state(), "shop", &services, LONG).unwrap().start().unwrap();
        }
        eprintln!("{role}: killed at {} points", points.len());
    }
}

#[cfg(feature = "fault-points")]
fn run_role(room: &Room, role: &str, env: &[(&str, &str)]) -> std::process::ExitStatus {
    if role == "recover" {
        let mut owner = room.owner("stopped");
        end(&mut owner);
    }
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner"])
        .env("OWNER_ROLE", role)
        .env("OWNER_ROOM", room.0.path())
        .envs(env.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[cfg(feature = "fault-points")]
fn passed_points(role: &str) -> Vec<String> {
    let room = Room::new();
    let _services = room.three();
    let list = room.path("points");
    let status = run_role(&room, role, &[("HANDOVER_FAULT_LIST", list.to_str().unwrap())]);
    assert!(status.success());
    fs::read_to_string(list).unwrap().lines().map(Into::into).collect()
}

#[test]
fn a_full_disk_does_not_keep_services_off() {
    assert!(backup_adapters::users::is_root(), "this test mounts a tmpfs and needs root");
    for owner_starts in [true, false] {
        let room = Room::new();
        let services = [room.service("web", true), room.service("db", true)];
        let state = room.state();
        let mount = |args: &[&str]| Command::new(args[0]).args(&args[1..]).arg(&state).status().unwrap().success();
        assert!(mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "none"]));
        let mut window = Window::open(&state, "shop", &services, LONG).unwrap();
        window.stop().unwrap();
        let _ = fs::write(state.join("fill"), vec![0; 1 << 20]);
        let result = if owner_starts { window.start() } else { intent::recover(&state, true).map(|_| drop(window)) };
        let on = on(&services);
        let pending = intent::pending(&state).unwrap();
        assert!(mount(&["umount"]));
        assert_eq!((on, pending), ([true, true], None), "owner_starts {owner_starts}: {result:?}");
    }
}

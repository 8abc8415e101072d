//! Init scripts, and commands that a job declares, as services. Needs root: scripts go to `/etc/init.d`.
#![allow(clippy::unwrap_used)]

use backup_adapters::intent::Window;
use backup_adapters::services::{Declared, Script, Service, ServiceError};
use backup_core::{Failure, Kind};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A daemon under an init script. A file `<what>` in its room makes it misbehave.
const INIT: &str = r#"
### BEGIN INIT INFO
# Provides:          NAME
# Required-Start:
# Required-Stop:
# Default-Start:
# Default-Stop:
# Short-Description: a daemon of a test
### END INIT INFO
cd ROOM || exit 4
# Not a zombie: in a container nobody may wait for it.
on() { test -s pid && grep -qs '^State:.[^Z]' "/proc/$(cat pid)/status"; }
echo "$1 $HOME" >>calls
case $1 in
status)
    test -e unknown && exit 4
    on && exit 0
    test -e pid && exit 1 # dead, and its pid file is left
    exit 3 ;;
start)
    on && exit 0
    if test -e dies; then setsid true & else setsid sleep 1000 </dev/null >/dev/null 2>&1 & fi
    echo $! >pid ;;
stop)
    test -e stays && exit 0
    test -e pid || exit 5 # many a script fails to stop what is off
    kill "$(cat pid)" 2>/dev/null
    while on; do sleep 0.01; done
    rm pid ;;
*) exit 2 ;;
esac
"#;

/// The script in `/etc/init.d` as long as this lives, and where its daemon is.
struct Init {
    room: TempDir,
    script: PathBuf,
    service: Service,
}

impl Init {
    fn new(what: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        let name = format!("handover-test-{what}-{}", std::process::id());
        let script = Path::new("/etc/init.d").join(&name);
        let body = INIT.replace("NAME", &name).replace("ROOM", room.path().to_str().unwrap());
        write_script(&script, &body);
        let service = Service::Sysv(Script { name, timeout: Duration::from_secs(2) });
        Self { room, script, service }
    }

    fn misbehave(&self, how: &str) {
        fs::write(self.room.path().join(how), "").unwrap();
    }

    /// Whether the daemon's process is there, asked without the script.
    fn runs(&self) -> bool {
        let Ok(pid) = fs::read_to_string(self.room.path().join("pid")) else { return false };
        let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && !line.contains("\tZ"))
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.script);
        if let Ok(pid) = fs::read_to_string(self.room.path().join("pid")) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status();
        }
    }
}

fn write_script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}"))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}; these tests need root", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_init_script_goes_and_comes() {
    let init = Init::new("comes");
    assert!(!init.service.is_on().unwrap());
    init.service.start().unwrap();
    assert!(init.runs() && init.service.is_on().unwrap());
    let stopped = init.service.stop(None).unwrap();
    assert!(!init.runs() && !init.service.is_on().unwrap());
    assert!(init.service.still_stopped(&stopped).unwrap());
    init.service.stop(None).expect("off already, whatever the script says");
    init.service.start().unwrap();
    assert!(!init.service.still_stopped(&stopped).unwrap(), "it came back");
    let calls = fs::read_to_string(init.room.path().join("calls")).unwrap();
    assert!(calls.lines().any(|call| call.starts_with("start")), "{calls}");
}

#[test]
fn an_init_script_whose_daemon_dies_at_once_has_not_started() {
    let init = Init::new("dies");
    init.service.start().unwrap();
    let state = tempfile::tempdir().unwrap();
    let services = std::slice::from_ref(&init.service);
    let mut window = Window::open(state.path(), "shop", services, Duration::from_hours(1)).unwrap();
    window.stop().unwrap();
    assert!(!init.runs());
    init.misbehave("dies");
    let refused = window.start().unwrap_err();
    assert_eq!(refused.kind(), Kind::ServiceStart, "{refused:?}");
    // Dead, and its pid file is left: off, not unknown.
    assert!(init.room.path().join("pid").exists() && !init.service.is_on().unwrap());
}

#[test]
fn an_init_script_that_does_not_stop_or_tell_is_an_error() {
    let init = Init::new("stays");
    init.service.start().unwrap();
    init.misbehave("stays");
    let refused = init.service.stop(None).unwrap_err();
    assert!(matches!(refused, ServiceError::StillOn { .. }), "{refused:?}");
    assert!(init.runs());
    init.misbehave("unknown");
    let refused = init.service.is_on().unwrap_err();
    assert!(matches!(refused, ServiceError::Status { .. }), "{refused:?}");
}

#[test]
fn an_init_script_that_is_not_there_is_not_off() {
    let none = Service::Sysv(Script { name: "handover-test-none".into(), timeout: Duration::from_secs(2) });
    let refused = none.is_on().unwrap_err();
    assert_eq!(refused.to_string(), "cannot find the service handover-test-none");
    assert_eq!(refused.kind(), Kind::NotFound);
}

/// What `podman` and `docker` say of a container: a shortened `container inspect`; of one that is not there, 125 or 1.
const CONTAINER: &str = r#"
cd ROOM || exit 9
case "$1 $2 $3" in
'container inspect shop')
    test -e down && { echo '[]'; echo 'cannot connect to the daemon' >&2; exit 1; }
    printf '[
    {
        "Name": "shop",
        "State": {
            "Running": %s,
            "Paused": false
' "$(cat running)"
    printf '        }
    }
]
' ;;
'stop shop ') echo false >running ;;
'start shop ') echo true >running ;;
*) echo '[]'; exit 125 ;;
esac
"#;

#[test]
fn the_commands_for_containers_tell_running_from_stopped_and_from_unknown() {
    let room = tempfile::tempdir().unwrap();
    let podman = room.path().join("podman");
    write_script(&podman, &CONTAINER.replace("ROOM", room.path().to_str().unwrap()));
    fs::write(room.path().join("running"), "true").unwrap();
    // The recipe as it is documented.
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("status: [sh, -c, '")).unwrap();
    let script = line.strip_suffix("']").unwrap().replace("podman", podman.to_str().unwrap());
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let container = |name: &str| {
        Service::Declared(Declared {
            name: name.into(),
            status: words(&["sh", "-c", &script.replace("inspect shop", &format!("inspect {name}"))]),
            stop: words(&[podman.to_str().unwrap(), "stop", name]),
            start: words(&[podman.to_str().unwrap(), "start", name]),
            timeout: Duration::from_secs(2),
        })
    };
    let shop = container("shop");
    assert!(shop.is_on().unwrap());
    shop.stop(None).unwrap();
    assert!(!shop.is_on().unwrap(), "there, and stopped");
    shop.start().unwrap();
    assert!(shop.is_on().unwrap());

    assert!(matches!(container("none").is_on().unwrap_err(), ServiceError::Status { .. }), "no such container");
    fs::write(room.path().join("down"), "").unwrap();
    assert!(matches!(shop.is_on().unwrap_err(), ServiceError::Status { .. }), "nobody to ask");
}

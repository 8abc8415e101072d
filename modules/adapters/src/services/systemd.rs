//! systemd units, by `systemctl`.

use super::{Activity, QUESTION, Result, ServiceError};
use crate::command::{Command, CommandError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A unit with its suffix: `shop.service`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Full name with suffix.
    pub name: String,
    /// How long a stop or start may take.
    pub timeout: Duration,
}

/// The lists of units that systemd stops together with a unit. The last one is unknown to old versions, which say
/// nothing about it.
const STOPPED_WITH_IT: [&str; 5] = ["RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo"];

/// What `systemctl show` says about a unit.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    load: String,
    active: String,
    triggered_by: Vec<String>,
    stopped_with_it: Vec<String>,
    left_inactive: u64,
    ends_by_itself: bool,
    /// systemd knows when it is up, not only that its process was made.
    tells_when_ready: bool,
    /// Its process has ended, and systemd waits before it makes another one.
    waits_for_restart: bool,
    run: Option<String>,
}

impl State {
    fn parse(text: &str) -> Self {
        let mut state = Self::default();
        let (mut kind, mut remains) = ("", false);
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "LoadState" => state.load = value.into(),
                "ActiveState" => state.active = value.into(),
                "TriggeredBy" => state.triggered_by = value.split_whitespace().map(Into::into).collect(),
                _ if STOPPED_WITH_IT.contains(&key) => {
                    state.stopped_with_it.extend(value.split_whitespace().map(Into::into));
                }
                "InactiveExitTimestampMonotonic" => state.left_inactive = value.parse().unwrap_or_default(),
                "SubState" => state.waits_for_restart = value.starts_with("auto-restart"),
                "InvocationID" => state.run = Some(value.into()).filter(|run: &String| !run.is_empty()),
                "Type" => kind = value,
                "RemainAfterExit" => remains = value == "yes",
                _ => {}
            }
        }
        state.ends_by_itself = kind == "oneshot" && !remains;
        // Sockets, timers and the like have no type. A process that forks says nothing about what it leaves behind.
        state.tells_when_ready = !matches!(kind, "simple" | "exec" | "idle" | "forking");
        state
    }

    /// A unit that waits for its automatic restart is `activating`: somebody wants it on.
    fn activity(&self) -> Activity {
        match self.active.as_str() {
            "active" | "activating" | "reloading" | "refreshing" => Activity::On,
            "deactivating" => Activity::Leaving,
            _ => Activity::Off,
        }
    }
}

fn systemctl() -> Command {
    Command::new("systemctl").arg("--no-ask-password").env("SYSTEMD_COLORS", "0").env("SYSTEMD_PAGER", "")
}

impl Unit {
    fn state(&self) -> Result<State> {
        let properties = format!(
            "--property=LoadState,ActiveState,SubState,InvocationID,TriggeredBy,InactiveExitTimestampMonotonic,Type,RemainAfterExit,{}",
            STOPPED_WITH_IT.join(",")
        );
        let failed = |source| ServiceError::Status { name: self.name.clone(), source };
        let show = systemctl().args(["show", &properties, "--"]).arg(&self.name).timeout(QUESTION);
        let state = State::parse(&show.run().map_err(failed)?.text());
        match state.load.as_str() {
            "not-found" | "masked" => Err(ServiceError::Unknown { name: self.name.clone() }),
            // An empty answer is no answer.
            "" => Err(failed(CommandError::Failed {
                program: "systemctl".into(),
                status: "an answer without LoadState".into(),
                code: Some(0),
                stderr: String::new(),
            })),
            _ => Ok(state),
        }
    }

    pub(super) fn activity(&self) -> Result<Activity> {
        Ok(self.state()?.activity())
    }

    /// A oneshot that does not remain: active only while it works.
    pub(super) fn ends_by_itself(&self) -> bool {
        self.state().is_ok_and(|state| state.ends_by_itself)
    }

    /// Which run of it this is, and whether it told that it is ready.
    pub(super) fn run(&self) -> Result<(Option<String>, bool)> {
        self.state().map(|state| (state.run, state.tells_when_ready))
    }

    /// Whether it is on, and not only on its way.
    pub(super) fn is_up(&self) -> Result<bool> {
        let state = self.state()?;
        Ok(state.activity() == Activity::On && state.active != "activating")
    }

    /// Whether its process has ended, and systemd waits before it makes another one.
    pub(super) fn waits_for_restart(&self) -> Result<bool> {
        Ok(self.state()?.waits_for_restart)
    }

    /// Whether it is on, and in this run of it.
    pub(super) fn runs(&self, run: Option<&str>) -> Result<bool> {
        let state = self.state()?;
        Ok(state.activity() == Activity::On && !state.waits_for_restart && state.run.as_deref() == run)
    }

    /// When it last left `inactive`, in microseconds of `CLOCK_MONOTONIC`; 0 if never since it was loaded.
    pub(super) fn left_inactive(&self) -> Result<u64> {
        Ok(self.state()?.left_inactive)
    }

    /// The sockets, timers and paths that could start it.
    pub(super) fn triggers(&self) -> Result<Vec<Self>> {
        Ok(self.siblings(self.state()?.triggered_by))
    }

    /// The units that systemd stops when it stops this one, and does not start with it again.
    pub(super) fn stopped_with_it(&self) -> Result<Vec<Self>> {
        Ok(self.siblings(self.state()?.stopped_with_it))
    }

    fn siblings(&self, names: Vec<String>) -> Vec<Self> {
        names.into_iter().map(|name| Self { name, timeout: self.timeout }).collect()
    }

    pub(super) fn stop_command(&self) -> Command {
        systemctl().args(["stop", "--"]).arg(&self.name)
    }

    pub(super) fn start_command(&self) -> Command {
        systemctl().args(["start", "--"]).arg(&self.name)
    }

    /// Clears a reached start limit, which would refuse every further start.
    pub(super) fn forget_failures(&self) {
        let _ = systemctl().args(["reset-failed", "--"]).arg(&self.name).timeout(QUESTION).run();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn show_is_understood() {
        let text = "LoadState=loaded\nActiveState=activating\nTriggeredBy=a.socket b.timer\n\
                    InactiveExitTimestampMonotonic=123456\nRequiredBy=c.service\nBoundBy=\nConsistsOf=d.service e.mount\n";
        let state = State::parse(text);
        assert_eq!(state.triggered_by, ["a.socket", "b.timer"]);
        assert_eq!(state.left_inactive, 123_456);
        assert_eq!(state.stopped_with_it, ["c.service", "d.service", "e.mount"]);
        assert_eq!(state.activity(), Activity::On);
        for (kind, tells) in [("simple", false), ("exec", false), ("notify", true), ("dbus", true)] {
            assert_eq!(State::parse(&format!("Type={kind}\n")).tells_when_ready, tells, "{kind}");
        }
        let text = "SubState=auto-restart\nInvocationID=0b1c\n";
        let state = State::parse(text);
        assert_eq!((state.waits_for_restart, state.run.as_deref()), (true, Some("0b1c")));
        for (active, activity) in [
            ("active", Activity::On),
            ("reloading", Activity::On),
            ("inactive", Activity::Off),
            ("failed", Activity::Off),
            ("deactivating", Activity::Leaving),
        ] {
            assert_eq!(State { active: active.into(), ..State::default() }.activity(), activity, "{active}");
        }
    }
}

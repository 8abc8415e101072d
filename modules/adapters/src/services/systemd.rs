//! systemd units, by `systemctl`.

use super::{QUESTION, Result, ServiceError};
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

/// What `systemctl show` says about a unit.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    load: String,
    active: String,
    triggered_by: Vec<String>,
    left_inactive: u64,
    ends_by_itself: bool,
}

impl State {
    fn parse(text: &str) -> Self {
        let mut state = Self::default();
        let (mut oneshot, mut remains) = (false, false);
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "LoadState" => state.load = value.into(),
                "ActiveState" => state.active = value.into(),
                "TriggeredBy" => state.triggered_by = value.split_whitespace().map(Into::into).collect(),
                "InactiveExitTimestampMonotonic" => state.left_inactive = value.parse().unwrap_or_default(),
                "Type" => oneshot = value == "oneshot",
                "RemainAfterExit" => remains = value == "yes",
                _ => {}
            }
        }
        state.ends_by_itself = oneshot && !remains;
        state
    }

    /// On, or on its way up. A unit that waits for its automatic restart is `activating`: somebody wants it on.
    fn is_on(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading" | "refreshing")
    }
}

fn systemctl() -> Command {
    Command::new("systemctl").arg("--no-ask-password").env("SYSTEMD_COLORS", "0").env("SYSTEMD_PAGER", "")
}

impl Unit {
    fn state(&self) -> Result<State> {
        let properties = "--property=LoadState,ActiveState,TriggeredBy,InactiveExitTimestampMonotonic,\
                          Type,RemainAfterExit";
        let failed = |source| ServiceError::Status { name: self.name.clone(), source };
        let show = systemctl().args(["show", properties, "--"]).arg(&self.name).timeout(QUESTION);
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

    pub(super) fn is_on(&self) -> Result<bool> {
        Ok(self.state()?.is_on())
    }

    /// A oneshot that does not remain: active only while it works.
    pub(super) fn ends_by_itself(&self) -> bool {
        self.state().is_ok_and(|state| state.ends_by_itself)
    }

    /// When it last left `inactive`, in microseconds of `CLOCK_MONOTONIC`; 0 if never since it was loaded.
    pub(super) fn left_inactive(&self) -> Result<u64> {
        Ok(self.state()?.left_inactive)
    }

    /// The sockets, timers and paths that are on and could start it.
    pub(super) fn active_triggers(&self) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for name in self.state()?.triggered_by {
            let trigger = Self { name, timeout: self.timeout };
            if trigger.is_on()? {
                found.push(trigger);
            }
        }
        Ok(found)
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
                    InactiveExitTimestampMonotonic=123456\n";
        let state = State::parse(text);
        assert_eq!(state.triggered_by, ["a.socket", "b.timer"]);
        assert_eq!(state.left_inactive, 123_456);
        assert!(state.is_on());
        for (active, on) in
            [("active", true), ("reloading", true), ("inactive", false), ("failed", false), ("deactivating", false)]
        {
            assert_eq!(State { active: active.into(), ..State::default() }.is_on(), on, "{active}");
        }
    }
}

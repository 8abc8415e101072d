//! What a job may do: its state, the four actions that change it, and what is remembered of both.
//!
//! ```text
//!   inactive ──start──► active ──stop──► stopped ──terminate──► inactive
//!                         ▲                 │
//!                         └─────restart─────┘
//! ```
//!
//! Start and restart lead to active by way of an initial sync ([`Sync`]). Everything else is refused, with the actions that
//! are legal. A job of which nothing is remembered is active: hosts that were configured before there were states go on
//! as they did, and the first collection is the start.

mod error;
mod sync;

pub use error::{Illegal, LifecycleError, Suspended};
pub use sync::{Phase, Progress, SinkFacts, SourceFacts, Stand, Sync};

use crate::job::StreamName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Number of the state file's format.
pub const FORMAT: u32 = 1;

/// What a job does with its copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Copies are made, carried, kept and expire.
    #[default]
    Active,
    /// Copies are kept, all of them; none is made, none is carried, none expires.
    Stopped,
    /// Nothing is kept and nothing is made.
    Inactive,
}

/// What an operator can do with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Begin, with an initial sync.
    Start,
    /// Make no more copies, and let none expire.
    Stop,
    /// Go on after a stop, with a new initial sync.
    Restart,
    /// Delete everything that is kept.
    Terminate,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Stopped, Self::Inactive];

    /// As in options, files and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stopped => "stopped",
            Self::Inactive => "inactive",
        }
    }

    /// Whether old copies are kept.
    pub const fn keeps_old(self) -> bool {
        matches!(self, Self::Active | Self::Stopped)
    }

    /// Whether copies are made and carried. Where none are, none expires either.
    pub const fn creates_new(self) -> bool {
        matches!(self, Self::Active)
    }

    /// Whether slices of a change log are applied to a head database.
    pub const fn applies(self) -> bool {
        matches!(self, Self::Active)
    }

    /// Where an action leads; `None`: it is illegal in this state.
    pub const fn after(self, action: Action) -> Option<Self> {
        match (self, action) {
            (Self::Inactive, Action::Start) | (Self::Stopped, Action::Restart) => Some(Self::Active),
            (Self::Active, Action::Stop) => Some(Self::Stopped),
            (Self::Stopped, Action::Terminate) => Some(Self::Inactive),
            _ => None,
        }
    }
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Restart, Self::Terminate];

    /// As in options and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Terminate => "terminate",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a host remembers of a job's state: one small file, written by root, readable for everybody who works for the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifecycle {
    /// [`FORMAT`].
    pub format: u32,
    /// The state.
    pub state: State,
    /// Since when; `None`: nobody ever changed it.
    pub since: Option<Timestamp>,
    /// Who asked for it.
    pub by: Option<String>,
    /// A terminate has begun and not all is deleted yet.
    pub terminating: bool,
    /// A stop has begun, and what was under way may not have ended yet.
    pub stopping: bool,
    /// What a call for several jobs has decided for this one and not begun yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// How far the initial sync of each stream is, as far as collect knows; a stream without entry never had one.
    pub sync: BTreeMap<StreamName, Sync>,
}

/// An action that a call for several jobs will take. It is written for all of them before the first is changed: a call that
/// is cut short can be told from jobs that never were in one state, and finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What will be done.
    pub action: Action,
    /// When the call decided it; the jobs that it has changed are in their state since then.
    pub at: Timestamp,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            format: FORMAT,
            state: State::Active,
            since: None,
            by: None,
            terminating: false,
            stopping: false,
            decided: None,
            sync: BTreeMap::new(),
        }
    }
}

impl Lifecycle {
    /// Reads a state file.
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LifecycleError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let syntax = |error: serde_json::Error| LifecycleError::Syntax(error.to_string());
        // The number first: a later version may shape the rest differently.
        match serde_json::from_slice(bytes).map_err(syntax)? {
            Head { format } if format > FORMAT => Err(LifecycleError::Newer(format)),
            Head { .. } => serde_json::from_slice(bytes).map_err(syntax),
        }
    }

    /// The bytes of the state file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a state has only string keys");
        bytes.push(b'\n');
        bytes
    }

    /// The actions that are legal now. A terminate that was cut short can only be finished.
    pub fn legal(&self) -> Vec<Action> {
        if self.terminating {
            return vec![Action::Terminate];
        }
        let is_legal = |action: &Action| self.is_begun(*action) || self.state.after(*action).is_some();
        Action::ALL.into_iter().filter(is_legal).collect()
    }

    /// Whether this action has begun and not ended: the same call again goes on with it.
    const fn is_begun(&self, action: Action) -> bool {
        match action {
            Action::Stop => self.stopping,
            Action::Terminate => self.terminating,
            Action::Start | Action::Restart => false,
        }
    }

    /// Where an action leads.
    ///
    /// # Errors
    /// [`Illegal`], naming the legal actions.
    pub fn after(&self, job: &str, action: Action) -> Result<State, Illegal> {
        if self.is_begun(action) {
            return Ok(self.state);
        }
        let allowed = self.state.after(action).filter(|_| !self.terminating);
        let illegal = || Illegal::Action { job: job.into(), action, state: self.state, legal: self.legal() };
        allowed.ok_or_else(illegal)
    }

    /// The action that brings the job into a state; `None`: it is there.
    ///
    /// # Errors
    /// [`Illegal`], if no single action does: what deletes copies never follows from anything but itself.
    pub fn towards(&self, job: &str, wanted: State) -> Result<Option<Action>, Illegal> {
        if self.state == wanted && !self.terminating && !self.stopping {
            return Ok(None);
        }
        let leads = |action: &Action| self.after(job, *action).is_ok_and(|state| state == wanted);
        let found = Action::ALL.into_iter().find(leads);
        let illegal = || Illegal::Wish { job: job.into(), wanted, state: self.state, legal: self.legal() };
        found.map(Some).ok_or_else(illegal)
    }

    /// What is remembered once a legal action has begun. A start or restart begins an initial sync of every stream; a
    /// stop has not ended before nothing is under way, a terminate not before everything is deleted.
    #[must_use]
    pub fn begun(&self, action: Action, to: State, at: Timestamp, by: &str, streams: &[StreamName]) -> Self {
        let sync = match action {
            Action::Start | Action::Restart => streams.iter().map(|name| (*name, Sync::begin(at, None))).collect(),
            Action::Stop => self.sync.clone(),
            Action::Terminate => BTreeMap::new(),
        };
        Self {
            format: FORMAT,
            state: to,
            since: Some(at),
            by: Some(by.to_owned()),
            terminating: action == Action::Terminate,
            stopping: action == Action::Stop,
            decided: None,
            sync,
        }
    }

    /// What is remembered once that action has ended: nothing of it is under way, or left.
    #[must_use]
    pub fn ended(&self) -> Self {
        Self { terminating: false, stopping: false, ..self.clone() }
    }

    /// When `action` was decided for this job or begun on it, if it has not ended.
    pub fn open_since(&self, action: Action) -> Option<Timestamp> {
        let decided = self.decided.filter(|decided| decided.action == action).map(|decided| decided.at);
        decided.or(self.since.filter(|_| self.is_begun(action)))
    }

    /// Whether the job may make copies, carry them and let them expire.
    ///
    /// # Errors
    /// [`Suspended`], in words.
    pub fn require_active(&self, job: &str) -> Result<(), Suspended> {
        if self.state.creates_new() {
            return Ok(());
        }
        Err(Suspended { job: job.into(), state: self.state, since: self.since, legal: self.legal() })
    }
}

#[cfg(test)]
mod tests;

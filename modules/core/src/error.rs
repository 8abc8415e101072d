//! The closed list of failure kinds: one stable word, one exit code each (docs/protocol.md).

use serde::{Deserialize, Serialize};

/// What every error of every crate can say about itself.
///
/// Messages (`Display`) are lower-case fragments that name the action and the object; the remedy is a separate
/// sentence, the hint.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// The stable class of this failure.
    fn kind(&self) -> Kind;
    /// What the operator can do about it, as one sentence; `None` where the message already says it.
    fn hint(&self) -> Option<String> {
        None
    }
    /// Whether the same call may succeed later without anybody changing anything.
    fn retryable(&self) -> bool {
        self.kind().retryable()
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal;)+) => {
        /// A class of failure. The name is part of the JSON result, the code is the exit status; neither ever changes meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Kind {
            /// Every kind, in the order of the exit codes.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in the JSON result, in state files, metrics and mails.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The exit status of a command that ends with this kind.
            pub const fn exit_code(self) -> u8 {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The sentence of the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

kinds! {
    /// A defect of Handover itself: a panic or a broken invariant.
    Internal = 1, "internal";
    /// An option of the call is unknown, missing or has a bad value; nothing was done.
    InvalidOption = 2, "invalid_option";
    /// A job document is refused; nothing was done.
    InvalidJob = 3, "invalid_job";
    /// The job, generation, store or path that was named does not exist.
    NotFound = 4, "not_found";
    /// Access is denied, or a secret's owner or mode is unsafe.
    Permission = 5, "permission";
    /// A program that is needed is not installed.
    MissingTool = 6, "missing_tool";
    /// Another run holds the lock.
    Locked = 7, "locked";
    /// The clock is more than five minutes before the newest generation.
    ClockWentBack = 8, "clock_went_back";
    /// A file system has no room.
    NoSpace = 9, "no_space";
    /// An operating-system call failed.
    Io = 10, "io";
    /// A child process failed or ran past its timeout.
    CommandFailed = 11, "command_failed";
    /// What is declared cannot be held: the plan has a counter-example; nothing was done.
    Infeasible = 12, "infeasible";
    /// The job is stopped or inactive, or its state does not allow the action.
    WrongState = 13, "wrong_state";
    /// What is to be collected is missing, empty, unmounted, unreadable or suddenly small.
    SourceInvalid = 20, "source_invalid";
    /// A service did not stop.
    ServiceStop = 21, "service_stop";
    /// A service that was running before did not start again.
    ServiceStart = 22, "service_start";
    /// The quiet window broke: the rescue fired or a service came back before the end.
    WindowBroken = 23, "window_broken";
    /// A hook failed.
    HookFailed = 24, "hook_failed";
    /// A declared dump failed.
    DumpFailed = 25, "dump_failed";
    /// The handover point holds as many generations as it may.
    HandoverFull = 26, "handover_full";
    /// The peer cannot be reached, or the connection was cut.
    Unreachable = 40, "unreachable";
    /// The peer's host key, our key or a certificate is not accepted.
    Authentication = 41, "authentication";
    /// The peer answered and refused.
    Refused = 42, "refused";
    /// The peer speaks another protocol version.
    VersionMismatch = 43, "version_mismatch";
    /// The sink lacks a usable base and wants a full.
    WantFull = 44, "want_full";
    /// The generation's id or instance is implausible and it is set aside.
    Quarantined = 45, "quarantined";
    /// Bytes do not match their digest.
    Damaged = 60, "damaged";
    /// A receipt's signature is missing or not by a pinned key.
    Unsigned = 61, "unsigned";
    /// An archive names a path that must not be written.
    UnsafeArchive = 62, "unsafe_archive";
    /// A deletion would break a promise of the retention policy.
    RetentionRefused = 63, "retention_refused";
    /// A signal ended the run; everything is as before or will be completed by the next run.
    Interrupted = 130, "interrupted";
}

impl Kind {
    /// Whether a failure of this kind may vanish by itself.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Locked | Self::Unreachable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_and_codes_are_unique_and_leave_zero_and_signals_alone() {
        let names: HashSet<_> = Kind::ALL.iter().map(|k| k.name()).collect();
        let codes: HashSet<_> = Kind::ALL.iter().map(|k| k.exit_code()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(codes.iter().all(|&c| c > 0 && (c < 126 || c == 130)));
    }

    #[test]
    fn json_uses_the_name() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}

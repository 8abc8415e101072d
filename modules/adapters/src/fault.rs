//! Named points at which a test may kill the process; nothing at all in a normal build.
//!
//! With the cargo feature `fault-points` the environment decides:
//! - `HANDOVER_FAULT=<name>[:n]` kills this process at the n-th pass (default 1) of that name;
//! - `HANDOVER_FAULT_ACTION=kill-group` kills the whole process group instead, `pause` stops the process until somebody
//!   lets it go on (SIGCONT);
//! - `HANDOVER_FAULT_LIST=<file>` appends the name of every point passed, one per line;
//! - `HANDOVER_LACKS=<name>` takes away what this system has and another may not.

/// Marks a step after which a kill must do no harm. Names are dotted, from the caller's vocabulary: `publish.rename`.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
#[allow(clippy::inline_always, reason = "a release build must not contain even the call")]
pub const fn point(_name: &str) {}

/// Marks a step after which a kill must do no harm. Names are dotted, from the caller's vocabulary: `publish.rename`.
#[cfg(feature = "fault-points")]
pub fn point(name: &str) {
    use nix::sys::signal::{Signal, kill, killpg};
    use nix::unistd::{getpgrp, getpid};
    use std::io::Write as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    static PASSES: AtomicU32 = AtomicU32::new(0);

    if let Some(path) = std::env::var_os("HANDOVER_FAULT_LIST") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes()));
    }
    let Ok(wanted) = std::env::var("HANDOVER_FAULT") else { return };
    let (wanted, count) = wanted.rsplit_once(':').unwrap_or((&wanted, "1"));
    if wanted != name || PASSES.fetch_add(1, Ordering::Relaxed) + 1 != count.parse().unwrap_or(1) {
        return;
    }
    let _ = match std::env::var("HANDOVER_FAULT_ACTION").as_deref() {
        Ok("kill-group") => killpg(getpgrp(), Signal::SIGKILL),
        Ok("pause") => kill(getpid(), Signal::SIGSTOP),
        _ => kill(getpid(), Signal::SIGKILL),
    };
}

/// Whether a test takes `_what` away from this system.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
#[allow(clippy::inline_always, reason = "a release build must not contain even the call")]
pub const fn lacks(_what: &str) -> bool {
    false
}

/// Whether a test takes `what` away from this system.
#[cfg(feature = "fault-points")]
pub fn lacks(what: &str) -> bool {
    std::env::var("HANDOVER_LACKS").is_ok_and(|lacking| lacking == what)
}

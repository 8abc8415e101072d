//! SELinux: whether it runs here, and its own program that gives files the labels that this host's policy has for their places.

use crate::command::{self, Command, CommandError, Input};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The attribute that holds a label.
pub const LABEL: &str = "security.selinux";

/// There where the kernel runs SELinux, enforcing or not.
const SIGN: &str = "/sys/fs/selinux/enforce";
const PROGRAM: &str = "restorecon";

/// Whether the kernel runs SELinux.
pub fn is_on() -> bool {
    std::fs::metadata(SIGN).is_ok()
}

/// Whether labels could be given here.
pub fn has_program() -> bool {
    command::find(PROGRAM).is_some()
}

/// Gives these paths, and with `whole` all that is in them, the labels that the host's policy has for them.
///
/// # Errors
/// `restorecon` is missing, or failed.
pub fn relabel(paths: &[PathBuf], whole: bool) -> Result<(), CommandError> {
    let mut list = Vec::new();
    for path in paths {
        list.extend(path.as_os_str().as_bytes());
        list.push(0);
    }
    let command = Command::new(PROGRAM).args(whole.then_some("-R")).args(["-0", "-f", "-"]);
    command.input(Input::Bytes(list)).run().map(drop)
}

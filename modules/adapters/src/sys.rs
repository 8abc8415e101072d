//! The only room with `unsafe`: the system calls that neither `std` nor `nix` offers on every target, and the
//! work between fork and exec.
//!
//! Each block says why it is sound. Nothing here decides anything.
#![allow(unsafe_code)]

use nix::libc;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// `ioprio_set`'s "who is a process" and its class shift (linux/ioprio.h).
const IOPRIO_WHO_PROCESS: libc::c_int = 1;
const IOPRIO_CLASS_SHIFT: u32 = 13;

/// `renameat2`: fail with `EEXIST` instead of replacing.
pub(crate) const RENAME_NOREPLACE: libc::c_uint = 1;
/// `renameat2`: swap both names in one step.
pub(crate) const RENAME_EXCHANGE: libc::c_uint = 2;

/// `mi_option_purge_delay` of mimalloc 3, in milliseconds. The crate that binds it has no name for it.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Sets how long mimalloc keeps freed memory.
pub(crate) fn set_purge_delay(delay: std::time::Duration) {
    let milliseconds = libc::c_long::try_from(delay.as_millis()).unwrap_or(libc::c_long::MAX);
    // SAFETY: it takes plain integers and checks the option's number; it may be called at any time.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, milliseconds) }
}

/// What happens in the child between fork and exec.
#[derive(Debug, Default)]
pub(crate) struct ChildSetup {
    /// Become the leader of a new session and process group.
    pub(crate) session: bool,
    /// Processor priority, -20 to 19.
    pub(crate) nice: Option<i32>,
    /// I/O class and level.
    pub(crate) io_priority: Option<(u32, u32)>,
    /// Supplementary groups, group and user to become, in this order.
    pub(crate) ids: Option<(Vec<libc::gid_t>, libc::gid_t, libc::uid_t)>,
    /// No file may become longer, in bytes.
    pub(crate) file_size: Option<u64>,
    /// Descriptors that stay open across exec.
    pub(crate) keep: Vec<RawFd>,
}

/// Arranges that `command`'s child applies `setup` right before exec.
pub(crate) fn prepare(command: &mut Command, setup: ChildSetup) {
    let apply = move || {
        if setup.session {
            nix::unistd::setsid()?;
        }
        // Priorities are a wish: raising them needs a privilege that a test or a container may lack.
        if let Some(nice) = setup.nice {
            let _ = set_nice(nice);
        }
        if let Some((class, level)) = setup.io_priority {
            let _ = set_io_priority(class, level);
        }
        if let Some(bytes) = setup.file_size {
            nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_FSIZE, bytes, bytes)?;
        }
        for &fd in &setup.keep {
            // SAFETY: fcntl takes plain integers; a descriptor that is not open is an error, not undefined.
            if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        if let Some((groups, gid, uid)) = &setup.ids {
            // SAFETY: pointer and length describe a live Vec that was allocated before the fork; the other two
            // take integers. This order, because each step needs the privilege that the last one gives away.
            let failed = unsafe {
                libc::setgroups(groups.len(), groups.as_ptr()) == -1
                    || libc::setgid(*gid) == -1
                    || libc::setuid(*uid) == -1
            };
            if failed {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes only async-signal-safe system calls on values that exist already: it neither
    // allocates nor takes a lock, which is what pre_exec demands in the child of a threaded process.
    unsafe { command.pre_exec(apply) };
}

/// Sets the calling thread's processor priority; threads and children made later inherit it.
pub(crate) fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: takes integers only; 0 means the calling thread.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets the calling thread's I/O class (0 none, 1 realtime, 2 best effort, 3 idle) and level (0 to 7).
pub(crate) fn set_io_priority(class: u32, level: u32) -> io::Result<()> {
    // SAFETY: ioprio_set takes three integers; 0 means the calling thread.
    let result =
        unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (class << IOPRIO_CLASS_SHIFT) | level) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes a read lease on a file and gives it back. `EAGAIN`: somebody has it open for writing, or mapped so. `EINVAL`: its
/// file system has no leases.
pub(crate) fn try_read_lease(file: BorrowedFd<'_>) -> io::Result<()> {
    let set = |lease: libc::c_int| {
        // SAFETY: fcntl takes a descriptor that is open as long as it is borrowed, and two integers.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, lease) };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    set(libc::F_RDLCK)?;
    set(libc::F_UNLCK)
}

/// `renameat2(2)` relative to the working directory; nix has it for glibc only.
pub(crate) fn rename2(from: &Path, to: &Path, flags: libc::c_uint) -> io::Result<()> {
    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    // SAFETY: both pointers are NUL-terminated strings that outlive the call.
    let result = unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_that_has_no_name_is_the_one_that_is_a_second_by_itself() {
        // SAFETY: it takes a plain integer.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 1000, "mimalloc 3 has it; no other option has this value");
        set_purge_delay(std::time::Duration::from_millis(10));
        assert_eq!(delay(), 10);
    }
}

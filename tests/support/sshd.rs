//! A real sshd of a test's own. Needs root, whom it logs in.

use crate::lab::wait_for;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// A port that nobody has. It is below those that the kernel hands out: one of them could be in use again before sshd
/// listens, or while it is stopped.
pub fn port() -> u16 {
    const LOWEST: u32 = 10_000;
    const PORTS: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Tests that run at once begin at different ones.
    let first = std::process::id().wrapping_mul(16);
    let mut ports =
        std::iter::repeat_with(|| first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS + LOWEST);
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", u16::try_from(*port).unwrap())).is_ok());
    u16::try_from(free.unwrap()).unwrap()
}

/// Starts it and waits until it listens. In `room` are its key `host` and its `authorized_keys`; it adds its
/// `sshd_config` and its `sshd.log`.
///
/// Logins are not what is tested here, and there are many: the key exchange is the quickest, and the home is not that
/// of whoever runs the tests, where shells read at every login what may take longer than all the rest.
///
/// `startups`: how many logins may be under way before it drops some (sshd's `MaxStartups`).
pub fn start(room: &Path, port: u16, startups: &str) -> Child {
    let _ = fs::create_dir_all("/run/sshd");
    let at = room.display();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized_keys\n\
         StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
         Subsystem sftp internal-sftp\nMaxStartups {startups}\nKexAlgorithms curve25519-sha256\nSetEnv HOME={at}\n"
    );
    fs::write(room.join("sshd_config"), config).unwrap();
    let log = room.join("sshd.log");
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(room.join("sshd_config")).stderr(fs::File::create(&log).unwrap());
    let mut sshd = command.spawn().unwrap();
    wait_for("sshd listens", || {
        assert!(sshd.try_wait().unwrap().is_none(), "sshd ended: {}", fs::read_to_string(&log).unwrap());
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    sshd
}

//! Which release this executable is of, so that a caller can ask for exactly one.

/// Version and digest of the sources, as `scripts/build.sh` names them: equal for all architectures of one build. Without
/// that script it is a release that nobody asks for.
pub const RELEASE: &str = match option_env!("HANDOVER_RELEASE") {
    Some(release) => release,
    None => concat!(env!("CARGO_PKG_VERSION"), "+unreleased"),
};

/// The exit status of an executable that is of another release than its caller asked for, and has done nothing. It is no
/// kind's: the caller has another executable to try.
pub(crate) const OTHER_RELEASE: u8 = 86;

/// What such an executable answers.
pub(crate) fn answer() -> String {
    serde_json::json!({ "release": RELEASE }).to_string() + "\n"
}

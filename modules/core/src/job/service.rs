//! What is stopped while collect reads.

use crate::units::Span;
use serde::{Deserialize, Serialize};

/// Something that must stand still while collect reads. Exactly one of `systemd`, `sysv`, `name` says which kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// A systemd unit with its suffix, such as `shop.service`.
    pub systemd: Option<String>,
    /// A script of /etc/init.d.
    pub sysv: Option<String>,
    /// Name of something that declared commands control, such as a container.
    pub name: Option<String>,
    /// Declared: exit status 0 means running, 1 to 3 not running (as LSB has it; 4 is "unknown" there).
    #[serde(default)]
    pub status: Vec<String>,
    /// Declared: stops it.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Declared: starts it.
    #[serde(default)]
    pub start: Vec<String>,
    /// How long a stop or a start may take.
    #[serde(default = "default_service_timeout")]
    pub timeout: Span,
}

fn default_service_timeout() -> Span {
    Span(90)
}

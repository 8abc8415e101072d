//! Which attributes come from the copy, and which are this host's own affair.

use crate::error::RestoreError;
use backup_adapters::selinux::{self, LABEL};
use backup_archive::Entry;

/// Holds the capabilities of a program.
const CAPABILITY: &str = "security.capability";

/// Whose labels of SELinux restored files have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Labels {
    /// Those that this host's policy has for their places.
    #[default]
    Host,
    /// Those that they had on the source.
    Kept,
}

/// Whether restored programs have their capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Capabilities {
    /// As on the source.
    #[default]
    Kept,
    /// None at all.
    None,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Policy {
    /// Of SELinux.
    pub labels: Labels,
    /// Of programs.
    pub capabilities: Capabilities,
}

impl Policy {
    /// Leaves in an entry what is to be restored of it.
    pub(crate) fn adapt(self, entry: &mut Entry) {
        if self.labels == Labels::Host {
            entry.xattrs.remove(LABEL);
        }
        if self.capabilities == Capabilities::None {
            entry.xattrs.remove(CAPABILITY);
        }
    }

    /// Whether what was restored is to be given labels by the host. Refuses where it cannot be: without them an application may find
    /// its files closed.
    pub(crate) fn relabels(self) -> Result<bool, RestoreError> {
        match self.labels == Labels::Host && selinux::is_on() {
            true if !selinux::has_program() => Err(RestoreError::NoRelabelling),
            relabels => Ok(relabels),
        }
    }
}

/// Whether an attribute that a path has, and its entry has not, is none of the copy's business: each file has a label where SELinux runs,
/// and nobody may take it away.
pub(crate) fn is_hosts(name: &str) -> bool {
    name == LABEL
}

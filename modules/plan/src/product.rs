//! Files that a plan leaves on the controller: pictures, and the places of the sources.

use crate::error::Forgotten;
use backup_adapters::publish;
use backup_core::fleet::Places;
use backup_core::schedule::FleetPlan;
use backup_interface::Failed;
use std::path::{Path, PathBuf};

/// A text, and where it belongs.
pub(crate) struct Product {
    path: PathBuf,
    text: String,
    /// Whether these are places.
    places: bool,
}

impl Product {
    /// A calendar.
    pub(crate) const fn picture(path: PathBuf, text: String) -> Self {
        Self { path, text, places: false }
    }

    /// The places of all sources, for the next plan.
    pub(crate) fn places(path: &Path, plan: &FleetPlan) -> Self {
        Self { path: path.to_owned(), text: Places::of(&plan.facts).to_string(), places: true }
    }

    /// Whether the file lies there as it is to be.
    fn is_there(&self) -> bool {
        std::fs::read(&self.path).is_ok_and(|bytes| bytes == self.text.as_bytes())
    }

    /// Writes it unless it is there, or only says whether that is needed.
    pub(crate) fn write(&self, check: bool) -> Result<bool, Failed> {
        if self.is_there() {
            return Ok(false);
        }
        if !check {
            let written = publish::write_atomic(&self.path, self.text.as_bytes(), 0o644, None);
            written.map_err(|error| if self.places { Forgotten(error).into() } else { Failed::from(error) })?;
        }
        Ok(true)
    }

    /// For those who asked what differs.
    pub(crate) fn difference(&self) -> String {
        format!("write {}", self.path.display())
    }
}

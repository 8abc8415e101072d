//! From the caller's options to the stores that are meant.

use crate::error::RotateError;
use crate::rotation::Rotation;
use backup_adapters::jobs::{self, Named};
use backup_core::StreamName;
use backup_interface::Failed;
use std::path::PathBuf;

/// Which streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum StreamWish {
    /// Every stream that the job declares.
    #[default]
    All,
    /// Application data.
    Data,
    /// Log data.
    Logs,
}

/// Options of every action.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct JobArgs {
    /// The job: `shop` for the source's own store, `web1/shop` for what a sink keeps for web1.
    pub(crate) job: String,
    /// Which streams.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) stream: StreamWish,
    /// Holds the job documents in `jobs/`.
    #[arg(long, default_value = "/etc/handover")]
    pub(crate) config: PathBuf,
}

/// The job document and the stores it names on this host, data first.
pub(crate) fn rotations(args: &JobArgs) -> Result<(Named, Vec<Rotation>), Failed> {
    let named = jobs::load(&args.config, &args.job)?;
    let wanted = match args.stream {
        StreamWish::All => None,
        StreamWish::Data => Some(StreamName::Data),
        StreamWish::Logs => Some(StreamName::Logs),
    };
    if let Some(stream) = wanted.filter(|stream| named.job.stream(*stream).is_none()) {
        return Err(RotateError::NoStream { job: args.job.clone(), stream }.into());
    }
    let of =
        |of: backup_core::job::StreamOf<'_>| if named.is_sink { Rotation::sink(&of) } else { Rotation::source(&of) };
    let rotations = named.job.streams().filter(|of| wanted.is_none_or(|wanted| wanted == of.name)).map(of).collect();
    Ok((named, rotations))
}

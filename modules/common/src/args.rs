//! The arguments that name a job and its streams: the same in every executable.

use backup_adapters::jobs::{self, JobsError, Named};
use backup_core::{Failure, Job, Kind, StreamName};
use backup_interface::scalar::Mapping;
use serde_json::Value;
use std::path::PathBuf;

/// Where the job documents lie, and which is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct JobArgs {
    /// The job by its name on this host: `shop` on its source, `web1/shop` on its sink.
    pub job: String,
    /// Holds the job documents in `jobs/`.
    #[arg(long, default_value = "/etc/handover")]
    pub config: PathBuf,
}

impl JobArgs {
    /// Reads and checks the document.
    ///
    /// # Errors
    /// There is none of this name, or it is refused.
    pub fn load(&self) -> Result<Named, JobsError> {
        jobs::load(&self.config, &self.job)
    }
}

/// A job, and which of its streams are meant.
#[derive(Debug, Clone, clap::Args)]
pub struct StreamArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Which streams.
    #[arg(long, value_enum, default_value_t)]
    pub stream: StreamWish,
    /// For this call, settings instead of the job document's, nested as there, as `{priority: {nice: 0}}`: `priority`, `max_downtime`, `mail.to` and `mail.from`; of each stream `checks`, `full`, `large_file`, `compression_level`, `transport.bandwidth`, `transport.window` and `sink.verify_box`. What is copied and kept, where, by whom and for how long cannot be overridden.
    #[arg(long, value_name = "JSON")]
    pub overrides: Option<Mapping>,
}

impl StreamArgs {
    /// Reads and checks the document, as it is for this call.
    ///
    /// # Errors
    /// There is none of this name, it is refused, or it cannot be overridden so.
    pub fn load(&self) -> Result<Named, JobsError> {
        let overrides = self.overrides.as_ref().map(|mapping| Value::from(mapping.0.clone()).to_string());
        jobs::load_with(&self.job.config, &self.job.job, overrides.as_deref())
    }
}

/// Which streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum StreamWish {
    /// Every stream of the job for which there is something to do here.
    #[default]
    All,
    /// Application data.
    Data,
    /// Log data.
    Logs,
}

impl StreamWish {
    /// The streams of `job` that are meant, data first.
    ///
    /// # Errors
    /// One is asked for that the job does not declare.
    pub fn of(self, job: &Job) -> Result<Vec<StreamName>, NoStream> {
        match self {
            Self::All => Ok(job.streams().map(|of| of.name).collect()),
            Self::Data => Ok(vec![declared(job, StreamName::Data)?]),
            Self::Logs => Ok(vec![declared(job, StreamName::Logs)?]),
        }
    }
}

/// The stream, if the job declares it.
///
/// # Errors
/// It does not.
pub fn declared(job: &Job, stream: StreamName) -> Result<StreamName, NoStream> {
    job.stream(stream).map(|of| of.name).ok_or_else(|| NoStream { job: job.job.clone(), stream })
}

/// A stream is asked for that the job does not declare.
#[derive(Debug, thiserror::Error)]
#[error("option stream: job {job} declares no stream {stream}")]
pub struct NoStream {
    job: String,
    stream: StreamName,
}

impl Failure for NoStream {
    fn kind(&self) -> Kind {
        Kind::InvalidOption
    }

    fn hint(&self) -> Option<String> {
        Some("Leave the option away, or declare the stream in the job.".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_declared_streams_can_be_meant() {
        let text = "version: 1\njob: shop\nsource: web1\nstreams:\n  data:\n    include: [/srv/shop]\n    transport: {mode: push, peer: {address: sink1}}\n    sink: {name: sink1, retention: {generations: 7}}\n";
        let job = Job::parse(text, "shop.yml").unwrap();
        assert_eq!(StreamWish::All.of(&job).unwrap(), [StreamName::Data]);
        assert_eq!(StreamWish::Data.of(&job).unwrap(), [StreamName::Data]);
        let refused = StreamWish::Logs.of(&job).unwrap_err();
        assert_eq!(refused.to_string(), "option stream: job shop declares no stream logs");
        assert_eq!(refused.kind(), Kind::InvalidOption);
    }
}

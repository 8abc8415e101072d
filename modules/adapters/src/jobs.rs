//! The job documents of this host: `<config>/jobs/<job>.yml` on a source, `<config>/jobs/<source>/<job>.yml` on a sink.
//!
//! The name says which side this host is on: `shop` is collected here, `web1/shop` is kept here for `web1`.

use crate::publish;
use backup_core::{DocumentError, Failure, Job, Kind};
use jiff::Timestamp;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A job by the name it has on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The document.
    pub job: Job,
    /// Whether this host is the job's sink.
    pub is_sink: bool,
    /// When it was written last.
    pub declared: Timestamp,
}

/// A job document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// No such document.
    #[error("cannot find job {job:?}: {} does not exist", path.display())]
    NotFound {
        /// The name that was asked for.
        job: String,
        /// Where its document would be.
        path: PathBuf,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The document declares another job than its file name.
    #[error("{}: the document declares {declared}, not {named}", path.display())]
    Misnamed {
        /// The document.
        path: PathBuf,
        /// What it says.
        declared: String,
        /// What its name says.
        named: String,
    },
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The document.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] DocumentError),
}

impl Failure for JobsError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Misnamed { .. } => Kind::InvalidJob,
            Self::Read { source, .. } => publish::kind_of(source),
            Self::Refused(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { known, .. } if known.is_empty() => Some("No job is declared on this host.".into()),
            Self::NotFound { known, .. } => Some(format!("Declared jobs: {}.", known.join(", "))),
            Self::Misnamed { .. } => {
                Some("Name the file after the job, and on a sink its folder after the source.".into())
            }
            Self::Read { .. } => None,
            Self::Refused(error) => error.hint(),
        }
    }
}

/// Reads and checks the document of the job called `name`, `<job>` or `<source>/<job>`.
pub fn load(config: &Path, name: &str) -> Result<Named, JobsError> {
    load_with(config, name, None)
}

/// As [`load`], with what a call overrides: JSON, nested as the document is.
pub fn load_with(config: &Path, name: &str, overrides: Option<&str>) -> Result<Named, JobsError> {
    let directory = config.join("jobs");
    let path = directory.join(format!("{name}.yml"));
    let not_found =
        || JobsError::NotFound { job: name.into(), path: path.clone(), known: known(&directory).unwrap_or_default() };
    let (source, job) = name.split_once('/').map_or((None, name), |(source, job)| (Some(source), job));
    // A name that leads anywhere else is no job of this host, whatever file may lie there.
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('/');
    if !plain(job) || !source.is_none_or(plain) {
        return Err(not_found());
    }
    let (text, modified) = match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_found()),
        read => read.map_err(|source| JobsError::Read { path: path.clone(), source })?,
    };
    let document = Job::parse_with(&text, &path.display().to_string(), overrides)?;
    if document.job != job || source.is_some_and(|source| document.source != source) {
        let declared = if source.is_some() { document.name_at_sink() } else { document.job };
        return Err(JobsError::Misnamed { path, declared, named: name.into() });
    }
    // A time that no calendar has is no time at which a schedule began.
    let declared = Timestamp::try_from(modified).unwrap_or(Timestamp::MIN);
    Ok(Named { job: document, is_sink: source.is_some(), declared })
}

/// A document and when it was written.
fn read(path: &Path) -> io::Result<(String, SystemTime)> {
    let file = File::open(path)?;
    let modified = file.metadata()?.modified()?;
    Ok((io::read_to_string(file)?, modified))
}

/// Names of all jobs declared on this host, sorted. Where no folder is, none is declared.
///
/// # Errors
/// If a folder cannot be read: nobody knows then what it holds.
pub fn known(jobs: &Path) -> Result<Vec<String>, JobsError> {
    let list = |folder: &Path| match std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.map_err(|source| JobsError::Read { path: folder.to_owned(), source }),
    };
    let mut names = Vec::new();
    for entry in list(jobs)? {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if let Some(job) = name.strip_suffix(".yml") {
            names.push(job.to_owned());
        } else if leads_to_folder(&entry.path())? {
            let inner = list(&entry.path())?.into_iter().filter_map(|inner| inner.file_name().into_string().ok());
            names.extend(inner.filter_map(|file| Some(format!("{name}/{}", file.strip_suffix(".yml")?))));
        }
    }
    names.sort();
    Ok(names)
}

/// Links are followed: what lies under a link that leads nowhere is declared nowhere.
fn leads_to_folder(path: &Path) -> Result<bool, JobsError> {
    match path.metadata() {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(JobsError::Read { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "version: 1\njob: shop\nsource: web1\nstreams:\n  data:\n    include: [/srv/shop]\n    transport: {mode: push, peer: {address: sink1}}\n    sink: {name: sink1, retention: {generations: 7}}\n";

    #[test]
    fn the_name_says_the_side() {
        let config = tempfile::tempdir().unwrap();
        let jobs = config.path().join("jobs");
        std::fs::create_dir_all(jobs.join("web1")).unwrap();
        std::fs::create_dir_all(jobs.join("web2")).unwrap();
        for name in ["shop.yml", "web1/shop.yml", "web2/shop.yml", "mail.yml"] {
            std::fs::write(jobs.join(name), SHOP).unwrap();
        }
        let kind = |name| load(config.path(), name).unwrap_err().kind();
        assert!(!load(config.path(), "shop").unwrap().is_sink);
        assert!(load(config.path(), "web1/shop").unwrap().is_sink);
        assert_eq!(kind("web2/shop"), Kind::InvalidJob);
        assert_eq!(kind("mail"), Kind::InvalidJob);
        for name in ["", "shop2", "../shop", "web1/../shop", "/shop", "web1/", "a/b/c", "web1/x/../shop"] {
            assert_eq!(kind(name), Kind::NotFound, "{name:?}");
        }
        assert_eq!(known(&jobs).unwrap(), ["mail", "shop", "web1/shop", "web2/shop"]);
    }
}

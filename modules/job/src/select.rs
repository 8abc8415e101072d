//! From the caller's options to the jobs that are meant.

use crate::error::{JobError, Result};
use backup_adapters::jobs::{self, Named};
use backup_adapters::users;
use backup_core::job::StreamOf;
use backup_core::{Job, StreamName};
use backup_interface::OptionError;
use std::path::PathBuf;

/// Which jobs: one, or those of a group.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Which {
    /// The job by its name on this host: `shop` on its source, `web1/shop` on its sink.
    pub(crate) job: Option<String>,
    /// All jobs of this group on this host, instead of one.
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Holds the job documents in `jobs/`.
    #[arg(long, default_value = "/etc/handover")]
    pub(crate) config: PathBuf,
}

/// A job on this host.
#[derive(Debug)]
pub(crate) struct Target {
    /// As it is called here.
    pub(crate) name: String,
    /// Its document.
    pub(crate) job: Job,
    /// Whether this host is its sink.
    pub(crate) is_sink: bool,
}

impl Target {
    fn new(name: String, Named { job, is_sink, .. }: Named) -> Self {
        Self { name, job, is_sink }
    }

    /// The job's streams.
    pub(crate) fn streams(&self) -> Vec<StreamName> {
        self.job.streams().map(|of| of.name).collect()
    }

    /// Whom a stream's folders on this host belong to.
    pub(crate) fn owner<'a>(&self, of: &'a StreamOf<'_>) -> &'a str {
        if self.is_sink { &of.stream.sink.user } else { of.user() }
    }
}

impl Which {
    /// What is named: the job or the group. A confirmation repeats it.
    pub(crate) fn name(&self) -> Result<&str> {
        match (&self.job, &self.group) {
            (Some(name), None) | (None, Some(name)) => Ok(name),
            (None, None) => Err(OptionError::general("missing option job")
                .with_hint("Name a job, or all jobs of a group with the option group.")
                .into()),
            (Some(_), Some(group)) => Err(OptionError::new("group", format!("{group:?} is given besides a job"))
                .with_hint("Name a job or a group.")
                .into()),
        }
    }

    /// Reads the documents, in the order of their names.
    pub(crate) fn targets(&self) -> Result<Vec<Target>> {
        let name = self.name()?;
        if self.group.is_none() {
            return Ok(vec![self.load(name.to_owned())?]);
        }
        // One that cannot be read may belong to the group: then nothing is done.
        let all = self.all()?.map(|(_, target)| target).collect::<Result<Vec<_>>>()?;
        let (members, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|target| target.job.group == name);
        if members.is_empty() {
            let mut known: Vec<_> = others.into_iter().map(|target| target.job.group).collect();
            known.sort();
            known.dedup();
            return Err(JobError::NoGroup { group: name.to_owned(), known }.into());
        }
        Ok(members)
    }

    /// Every job of this host by its name here, whether its document is refused or not. For who only looks.
    pub(crate) fn all(&self) -> Result<impl Iterator<Item = (String, Result<Target>)>> {
        let known = jobs::known(&self.config.join("jobs"))?.into_iter();
        Ok(known.map(|name| (name.clone(), self.load(name))))
    }

    /// Whether a job or a group is named.
    pub(crate) const fn is_named(&self) -> bool {
        self.job.is_some() || self.group.is_some()
    }

    fn load(&self, name: String) -> Result<Target> {
        let named = jobs::load(&self.config, &name)?;
        Ok(Target::new(name, named))
    }

    /// Refuses a deletion that nobody confirmed in so many words.
    pub(crate) fn confirmed(&self, given: Option<&str>, targets: &[Target]) -> Result<()> {
        let name = self.name()?;
        // On a sink the job's own name says as much as the name that it has there.
        let own = targets.first().filter(|_| self.job.is_some()).map(|target| target.job.job.as_str());
        if given.is_some_and(|given| given == name || own == Some(given)) {
            return Ok(());
        }
        let given = given.map_or_else(|| "nothing".to_owned(), |given| format!("{given:?}"));
        Err(JobError::Unconfirmed { given, name: name.to_owned() }.into())
    }
}

/// Who asks: whoever became root by sudo is called by the name that he came with.
pub(crate) fn asker() -> String {
    let own = users::current().map_or_else(|_| "somebody".to_owned(), |account| account.name);
    match std::env::var("SUDO_USER") {
        Ok(user) if user != own && !user.is_empty() => format!("{user} as {own}"),
        _ => own,
    }
}

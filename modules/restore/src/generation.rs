//! A chosen generation with its base, opened for reading. What is read is compared with the sealed manifest.

use crate::error::{RestoreError, Result};
use crate::owners::{self, Owners, Told, Wish};
use crate::policy::Policy;
use crate::select::{self, Lenders, Selection};
use backup_adapters::signals::Interrupt;
use backup_adapters::store::{Limits, Reread, Stored, StreamStore};
use backup_archive::Entry;
use backup_archive::read::{Catalog, Deleted, Members, Merge, Plain};
use backup_core::Kind;
use backup_core::job::StreamName;
use backup_core::manifest::{Artifact, CATALOG, DATA, DELETED};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One generation where it lies.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its directory.
    pub directory: PathBuf,
    /// Seal, manifest, receipt.
    pub stored: Stored,
    /// What its owners are on this host.
    pub owners: Arc<Owners>,
    /// What of its attributes counts.
    pub policy: Policy,
    /// What its catalog has of the selection, if that is little: read once, to its end.
    pub excerpt: Option<Arc<Vec<Entry>>>,
}

/// More entries than this are read from the catalog again whenever they are wanted, 400 bytes each.
const EXCERPT: usize = 50_000;

impl Part {
    fn expected(&self, name: &str) -> Option<&Artifact> {
        self.stored.manifest.artifacts.get(name)
    }

    /// An artifact's plain bytes; `None` if the generation has no such artifact.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Plain>> {
        self.stored(name)?.map(|stored| self.plain(name, stored)).transpose()
    }

    /// An artifact as it is stored; `None` if the generation has no such artifact.
    pub(crate) fn stored(&self, name: &str) -> Result<Option<File>> {
        let opened = self.expected(name).map(|_| open_regular(&self.directory.join(name))).transpose();
        opened.map_err(|failed| match failed.failure().kind() {
            // The manifest has it.
            Kind::NotFound => self.without(name).into(),
            _ => failed,
        })
    }

    /// The plain bytes of what is stored in this file.
    pub(crate) fn plain(&self, name: &str, stored: File) -> Result<Plain> {
        let expected = self.expected(name).ok_or_else(|| self.without(name))?;
        Ok(Plain::open(name, stored, expected)?)
    }

    /// The failure that it has no such artifact.
    pub(crate) fn without(&self, name: &str) -> RestoreError {
        RestoreError::Damaged { id: self.stored.id, why: format!("no {name}") }
    }

    /// The catalog, or what of it is wanted.
    pub(crate) fn catalog(&self) -> Result<Catalog> {
        match &self.excerpt {
            Some(entries) => Ok(self.adapted(Catalog::kept(Arc::clone(entries)))),
            None => self.whole_catalog(),
        }
    }

    /// The catalog, whatever is wanted of it.
    pub(crate) fn whole_catalog(&self) -> Result<Catalog> {
        Ok(self.adapted(Catalog::new(self.lines()?)?))
    }

    fn lines(&self) -> Result<Plain> {
        Ok(self.open(CATALOG)?.ok_or_else(|| self.without(CATALOG))?)
    }

    /// What its catalog has of a selection, unless it is much.
    fn excerpt(&self, selection: &Selection) -> Result<Option<Arc<Vec<Entry>>>> {
        let wanted = selection.clone();
        let mut catalog = Catalog::only(self.lines()?, move |path| wanted.touches(path))?;
        let mut entries = Vec::new();
        while let Some(entry) = catalog.next_entry()? {
            entries.push(entry);
            if entries.len() > EXCERPT {
                return Ok(None);
            }
        }
        Ok(Some(Arc::new(entries)))
    }

    fn adapted(&self, catalog: Catalog) -> Catalog {
        let (owners, policy) = (Arc::clone(&self.owners), self.policy);
        catalog.adapted(move |entry| {
            owners.adapt(entry);
            policy.adapt(entry);
        })
    }

    /// The tar stream, if there is one.
    pub(crate) fn members(&self) -> Result<Option<Members>> {
        Ok(self.open(DATA)?.map(Members::new))
    }

    /// Bytes of the tar stream and of all changed blocks: what will be written at most.
    pub(crate) fn plain_bytes(&self) -> u64 {
        let files = self.stored.manifest.artifacts.iter();
        let data = files.filter(|(name, _)| *name == DATA || name.starts_with("patches/"));
        data.map(|(_, artifact)| artifact.plain_bytes).sum()
    }
}

/// What is restored for one stream.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Which stream.
    pub stream: StreamName,
    /// Where it lies.
    pub store: StreamStore,
    /// The generation itself.
    pub own: Part,
    /// What an incremental differs from.
    pub base: Option<Part>,
    /// The sink whose pinned key signed the receipt.
    pub signed_by: Option<String>,
    /// What of it is wanted.
    pub selection: Selection,
    /// Who lends contents to the selection.
    pub lenders: Lenders,
    /// What there is to tell of its owners.
    pub told: Told,
}

impl Generation {
    /// With what is wanted of it, and its owners and attributes as they are to be here.
    pub(crate) fn select(mut self, selection: Selection, wish: &Wish, policy: Policy) -> Result<Self> {
        self.selection = selection;
        if !self.selection.is_all() {
            for part in [Some(&mut self.own), self.base.as_mut()].into_iter().flatten() {
                part.excerpt = part.excerpt(&self.selection)?;
            }
        }
        let (owners, told) = owners::settle(wish, &self)?;
        let owners = Arc::new(owners);
        for part in [Some(&mut self.own), self.base.as_mut()].into_iter().flatten() {
            part.owners = Arc::clone(&owners);
            part.policy = policy;
        }
        self.told = told;
        self.lenders = select::lenders(&self)?;
        Ok(self)
    }

    /// Reads every stored byte of it and of its base again. Of some paths, the catalog's digests are the proof: nothing else has
    /// to be read, nor to be whole.
    ///
    /// # Errors
    /// [`RestoreError::Damaged`].
    pub(crate) fn check_intact(&self, interrupt: &Interrupt) -> Result<()> {
        if !self.selection.is_all() {
            return Ok(());
        }
        // What is unpacked then is what was compared.
        let limits = Limits { deadline: None, interrupt: Some(interrupt.clone()), cached: true };
        for part in [Some(&self.own), self.base.as_ref()].into_iter().flatten() {
            let id = part.stored.id;
            if let Reread::Damaged(why) = self.store.reread(id, &limits)? {
                return Err(RestoreError::Damaged { id, why }.into());
            }
        }
        Ok(())
    }

    /// Both catalogs as one, or what of them is wanted.
    pub(crate) fn merge(&self) -> Result<Merge> {
        self.merge_of(Part::catalog)
    }

    /// Both catalogs as one, whatever is wanted of them.
    pub(crate) fn merge_whole(&self) -> Result<Merge> {
        self.merge_of(Part::whole_catalog)
    }

    fn merge_of(&self, catalog: impl Fn(&Part) -> Result<Catalog>) -> Result<Merge> {
        let deleted = match self.own.open(DELETED)? {
            Some(plain) => Deleted::read(plain)?,
            None => Deleted::default(),
        };
        let base = self.base.as_ref().map(&catalog).transpose()?;
        Ok(Merge::new(catalog(&self.own)?, base, deleted)?)
    }

    /// The include paths, as catalog names: sorted, without the leading slash.
    pub(crate) fn roots(&self) -> Vec<Vec<u8>> {
        roots(&self.own)
    }

    /// Names of the dumps.
    pub(crate) fn dumps(&self) -> impl Iterator<Item = &str> {
        self.own.stored.manifest.artifacts.keys().map(String::as_str).filter(|name| name.starts_with("dump-"))
    }
}

/// The include paths of a generation, as catalog names: sorted, without the leading slash.
pub(crate) fn roots(part: &Part) -> Vec<Vec<u8>> {
    let roots = part.stored.manifest.roots.iter();
    let mut roots: Vec<_> = roots.map(|root| root.trim_matches('/').as_bytes().to_owned()).collect();
    roots.sort_by(|a, b| backup_archive::order::compare(a, b));
    roots
}

/// A FIFO or a link in the place of a file must neither make us wait nor lead elsewhere.
pub(crate) fn open_regular(path: &Path) -> Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let failed = |source| RestoreError::Io { action: "open", path: path.to_owned(), source };
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_file() {
        Ok(file)
    } else {
        Err(failed(std::io::Error::other("not a regular file")).into())
    }
}

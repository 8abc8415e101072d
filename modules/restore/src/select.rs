//! What of a generation is wanted: all of it, or some paths with what they hold.
//!
//! One path is found by the catalog and read by its frame's offset; nothing else of the tar stream is touched. The proof
//! needs no reading of the rest: the receipt signs the seal, the seal covers the manifest, the manifest the catalog (read
//! whole, and its digest compared, before anything is written), and the catalog has each file's own digest.

use crate::error::{RestoreError, Result};
use crate::generation::Generation;
use backup_archive::read::{Fate, Merge};
use backup_archive::{Entry, EntryKind, Place, order};
use backup_interface::OptionError;
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Paths as catalog names, in catalog order, none within another; none at all means everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    paths: Vec<Vec<u8>>,
}

impl Selection {
    /// From the option `path`.
    pub(crate) fn parse(paths: &[PathBuf]) -> std::result::Result<Self, OptionError> {
        let mut names = Vec::new();
        for path in paths {
            let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
            if !path.is_absolute() || path.parent().is_none() || !path.components().all(plain) {
                return Err(OptionError::new("path", format!("{:?} is not an absolute path", path.display()))
                    .with_hint("Name a file or directory as it is named on the source, such as /srv/shop/orders; without `path`, everything is restored."));
            }
            // Components put together again: no doubled or trailing slash is left.
            let name: PathBuf = path.components().skip(1).collect();
            names.push(name.as_os_str().as_bytes().to_owned());
        }
        Ok(Self::new(names))
    }

    fn new(mut paths: Vec<Vec<u8>>) -> Self {
        paths.sort_by(|a, b| order::compare(a, b));
        paths.dedup_by(|path, above| order::is_within(path, above));
        Self { paths }
    }

    /// Whether everything is wanted.
    pub(crate) const fn is_all(&self) -> bool {
        self.paths.is_empty()
    }

    /// What of it concerns a generation with these roots; `None`: nothing.
    pub(crate) fn of_roots(&self, roots: &[Vec<u8>]) -> Option<Self> {
        if self.is_all() {
            return Some(Self::default());
        }
        let mut paths = Vec::new();
        for path in &self.paths {
            if roots.iter().any(|root| order::is_within(path, root)) {
                paths.push(path.clone());
            } else {
                paths.extend(roots.iter().filter(|root| order::is_within(root, path)).cloned());
            }
        }
        (!paths.is_empty()).then(|| Self::new(paths))
    }

    /// The first wanted path of which none of `found` holds anything.
    pub(crate) fn beyond(&self, found: &[Self]) -> Option<PathBuf> {
        let taken = |path: &[u8]| {
            let mut paths = found.iter().flat_map(|selection| &selection.paths);
            paths.any(|other| order::is_within(other, path) || order::is_within(path, other))
        };
        self.paths.iter().find(|path| !taken(path)).map(|path| shown(path))
    }

    /// Where comparing begins: the roots, or the wanted paths.
    pub(crate) fn tops(&self, roots: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if self.is_all() { roots } else { self.paths.clone() }
    }

    /// Whether a path is wanted.
    pub(crate) fn covers(&self, path: &[u8]) -> bool {
        self.is_all() || self.paths.iter().any(|top| order::is_within(path, top))
    }

    /// Whether a path is wanted, or on the way to what is.
    pub(crate) fn touches(&self, path: &[u8]) -> bool {
        self.covers(path) || self.leads_to(path)
    }

    fn leads_to(&self, path: &[u8]) -> bool {
        self.paths.iter().any(|top| order::is_within(top, path))
    }
}

/// A catalog name as people write it.
pub(crate) fn shown(name: &[u8]) -> PathBuf {
    Path::new("/").join(std::ffi::OsStr::from_bytes(name))
}

/// One path of the restored tree.
#[derive(Debug, Clone)]
pub(crate) struct Pick {
    /// What it is to become.
    pub entry: Entry,
    /// The entry of the member that holds its contents, if that is another one: a base's that changed blocks are written
    /// into, or the first name of a set of hard links of which only a further one is wanted.
    member: Option<Box<Entry>>,
    /// Whether that member is the base's.
    pub of_base: bool,
    /// Stored as these changed blocks over the member.
    pub patch: Option<u32>,
    /// Not wanted itself: a directory on the way to what is.
    pub is_way: bool,
}

impl Pick {
    /// The entry of the member that holds its contents.
    pub(crate) fn member(&self) -> &Entry {
        self.member.as_deref().unwrap_or(&self.entry)
    }
}

/// First names outside of the selection, of which it has further names: their entries, and whether they are the base's.
pub(crate) type Lenders = HashMap<Vec<u8>, (Entry, bool)>;

/// The paths of the restored tree that are wanted, in catalog order.
pub(crate) struct View<'a> {
    merge: Merge,
    generation: &'a Generation,
    patched: Option<Entry>,
    /// By lender, the first wanted name of its file.
    lent: HashMap<Vec<u8>, Vec<u8>>,
}

impl<'a> View<'a> {
    /// Begins to read.
    pub(crate) fn new(generation: &'a Generation) -> Result<Self> {
        Ok(Self { merge: generation.merge()?, generation, patched: None, lent: HashMap::new() })
    }

    /// The next path; directories on the way to what is wanted are among them.
    pub(crate) fn next_pick(&mut self) -> Result<Option<Pick>> {
        let selection = &self.generation.selection;
        while let Some(mut pick) = next(&mut self.merge, &mut self.patched)? {
            if selection.covers(&pick.entry.path) {
                self.resolve(&mut pick);
                return Ok(Some(pick));
            }
            if pick.entry.kind == EntryKind::Directory && selection.leads_to(&pick.entry.path) {
                pick.is_way = true;
                return Ok(Some(pick));
            }
        }
        Ok(None)
    }

    /// A further name of a file whose first name is not wanted becomes the file, or a further name of its own kind.
    fn resolve(&mut self, pick: &mut Pick) {
        let EntryKind::Hardlink { target } = &pick.entry.kind else { return };
        let Some((lender, of_base)) = self.generation.lenders.get(target) else { return };
        if let Some(first) = self.lent.get(target) {
            pick.entry.kind = EntryKind::Hardlink { target: first.clone() };
            return;
        }
        self.lent.insert(target.clone(), pick.entry.path.clone());
        pick.entry = Entry { path: std::mem::take(&mut pick.entry.path), ..lender.clone() };
        pick.member = Some(Box::new(lender.clone()));
        pick.of_base = *of_base;
    }
}

fn next(merge: &mut Merge, patched: &mut Option<Entry>) -> Result<Option<Pick>> {
    while let Some(step) = merge.next_step()? {
        match step.fate {
            Fate::Patched => *patched = Some(step.entry),
            Fate::Final => {
                let mut pick =
                    Pick { entry: step.entry, member: None, of_base: step.of_base, patch: None, is_way: false };
                if let Place::Patch(number) = pick.entry.place {
                    // Without one it is refused when its contents are looked for.
                    pick.member = patched.take().filter(|base| base.path == pick.entry.path).map(Box::new);
                    (pick.of_base, pick.patch) = (true, Some(number));
                }
                return Ok(Some(pick));
            }
            Fate::Replaced | Fate::Gone => {}
        }
    }
    Ok(None)
}

/// Reads the catalogs once for what a selection needs to know: that it selects something, and who lends to it.
pub(crate) fn lenders(generation: &Generation) -> Result<Lenders> {
    let selection = &generation.selection;
    if selection.is_all() {
        return Ok(Lenders::new());
    }
    let mut found = vec![false; selection.paths.len()];
    let mut wanted = HashSet::new();
    let each = |mut merge: Merge, work: &mut dyn FnMut(Pick)| -> Result<()> {
        let mut patched = None;
        while let Some(pick) = next(&mut merge, &mut patched)? {
            work(pick);
        }
        Ok(())
    };
    each(generation.merge()?, &mut |pick| {
        let path = &pick.entry.path;
        let top = selection.paths.iter().position(|top| order::is_within(path, top));
        if let Some(top) = top {
            found[top] = true;
            if let EntryKind::Hardlink { target } = pick.entry.kind
                && !selection.covers(&target)
            {
                wanted.insert(target);
            }
        }
    })?;
    let id = generation.own.stored.id;
    if let Some(at) = found.iter().position(|found| !found) {
        return Err(RestoreError::NoPath { id, path: shown(&selection.paths[at]) }.into());
    }
    let mut lenders = Lenders::new();
    if !wanted.is_empty() {
        // Outside of what is wanted.
        each(generation.merge_whole()?, &mut |pick| {
            if wanted.contains(&pick.entry.path) && pick.patch.is_none() {
                lenders.insert(pick.entry.path.clone(), (pick.entry, pick.of_base));
            }
        })?;
    }
    if let Some(lost) = wanted.iter().find(|target| !lenders.contains_key(*target)) {
        let why = format!("a hard link names {}, which is not in it", shown(lost).display());
        return Err(RestoreError::Damaged { id, why }.into());
    }
    Ok(lenders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(paths: &[&str]) -> Selection {
        Selection::parse(&paths.iter().map(PathBuf::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn paths_are_absolute_and_none_is_within_another() {
        let found = selection(&["/srv/shop/b/c", "/srv//shop/b/", "/srv/shop/a"]);
        assert_eq!(found.paths, [b"srv/shop/a".to_vec(), b"srv/shop/b".to_vec()]);
        for bad in ["srv", "", "/", "/srv/../etc"] {
            assert!(Selection::parse(&[bad.into()]).is_err(), "{bad}");
        }
        assert!(found.covers(b"srv/shop/b/x") && !found.covers(b"srv/shop") && found.leads_to(b"srv/shop"));
        assert!(!found.covers(b"srv/shop/bc") && !found.leads_to(b"srv/sho"));
    }

    #[test]
    fn each_stream_takes_what_is_of_its_roots() {
        let roots = [b"srv/shop".to_vec(), b"srv/web".to_vec()];
        let all = selection(&["/srv/shop/a", "/etc", "/srv/web"]);
        let found = all.of_roots(&roots).unwrap();
        assert_eq!(found.paths, [b"srv/shop/a".to_vec(), b"srv/web".to_vec()]);
        assert_eq!(all.beyond(&[found]), Some("/etc".into()));
        let above = selection(&["/srv"]);
        let found = above.of_roots(&roots).unwrap();
        assert_eq!(found.paths, roots);
        assert_eq!(above.beyond(&[found]), None);
        assert_eq!(selection(&["/var"]).of_roots(&roots), None);
        assert!(Selection::default().of_roots(&roots).unwrap().is_all());
    }
}

//! Which container a path's new contents lie in: one per file system within a root, because names can only be exchanged
//! within one.

use super::journal::CONTAINER;
use crate::compare::{Change, Item};
use crate::error::{RestoreError, Result};
use crate::select::shown;
use backup_adapters::space;
use backup_adapters::there;
use backup_archive::order;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The containers so far, and how to find that of a path.
pub(crate) struct Regions {
    roots: Vec<Vec<u8>>,
    mounts: Vec<PathBuf>,
    job: String,
    containers: Vec<PathBuf>,
    /// By directory.
    known: HashMap<Vec<u8>, usize>,
}

impl Regions {
    pub(crate) fn new(roots: &[Vec<u8>], job: &str, containers: &[PathBuf]) -> Result<Self> {
        let mut mounts = Vec::new();
        for root in roots {
            let root = shown(root);
            mounts.extend(space::mounts_within(&root).map_err(RestoreError::io("look for mount points in", root))?);
        }
        let (roots, job, containers) = (roots.to_vec(), job.to_owned(), containers.to_vec());
        Ok(Self { roots, mounts, job, containers, known: HashMap::new() })
    }

    pub(crate) fn containers(&self) -> &[PathBuf] {
        &self.containers
    }

    /// Those that are not there yet.
    pub(crate) fn missing(&self) -> Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        for container in &self.containers {
            if !there::is_there(container)? {
                missing.push(container.clone());
            }
        }
        Ok(missing)
    }

    /// The container for what comes to `path`, or goes from it.
    pub(crate) fn of(&mut self, path: &[u8], items: &[Item]) -> Result<usize> {
        let place = shown(path);
        let is_mounted = place.canonicalize().is_ok_and(|real| self.mounts.contains(&real));
        if is_mounted && there::look(&place)?.is_some_and(|found| !found.is_symlink()) {
            let why = "something is mounted there, and the generation has something of another type".to_owned();
            return Err(RestoreError::InTheWay { path: place, why }.into());
        }
        let root = self.roots.iter().find(|root| order::is_within(path, root)).cloned();
        let root = root.ok_or_else(|| crate::compare::outside(path))?;
        let above = order::parent(path).unwrap_or_default().to_vec();
        if let Some(&known) = self.known.get(&above) {
            return Ok(known);
        }
        let directory = if path == root { shown(&above) } else { self.top(&root, &above, items)? };
        let container = directory.join(format!("{CONTAINER}{}", self.job));
        let at = self.containers.iter().position(|known| *known == container).unwrap_or_else(|| {
            self.containers.push(container);
            self.containers.len() - 1
        });
        self.known.insert(above, at);
        Ok(at)
    }

    /// The topmost directory from which `above` can be reached without leaving its file system.
    fn top(&self, root: &[u8], above: &[u8], items: &[Item]) -> Result<PathBuf> {
        let mut chain: Vec<&[u8]> = std::iter::successors(Some(above), |path| order::parent(path))
            .take_while(|path| order::is_within(path, root))
            .collect();
        chain.reverse();
        // Where the root itself comes, everything below it comes from where it does.
        let parent = shown(order::parent(root).unwrap_or_default());
        let (mut top, mut device) = (parent, None);
        for name in chain {
            let place = shown(name);
            let found = match there::look(&place)? {
                Some(found) if found.is_dir() => found,
                // It comes, and with it the rest of the way.
                _ if is_coming(name, items) => break,
                _ => {
                    let path = place.display().to_string();
                    return Err(RestoreError::Detour { path }.into());
                }
            };
            let is_mounted = place.canonicalize().is_ok_and(|real| self.mounts.contains(&real));
            if is_mounted || device != Some(found.dev()) {
                top = place;
            }
            device = Some(found.dev());
        }
        Ok(top)
    }
}

fn is_coming(name: &[u8], items: &[Item]) -> bool {
    let at = items.binary_search_by(|item| order::compare(&item.path, name));
    at.is_ok_and(|at| super::plan::is_put(&items[at].change) && items[at].change != Change::Removed)
}

/// The directory that holds a container.
pub(crate) fn holder(container: &Path) -> &Path {
    container.parent().unwrap_or(container)
}

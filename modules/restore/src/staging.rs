//! Where the restored paths are made: hidden directories beside the roots, or another target.

use crate::compare::outside;
use crate::error::{RestoreError, Result};
use crate::tree::{Room, Spot, lost};
use backup_adapters::publish;
use backup_archive::order;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the restored paths are made.
#[derive(Debug)]
pub(crate) struct Staging {
    /// The generation's roots, as catalog names.
    roots: Vec<Vec<u8>>,
    /// Either one room per root, which then holds the root by its last component, or one room for all whole paths.
    rooms: Vec<Room>,
    whole_paths: bool,
    numbered: Option<Numbered>,
}

/// Paths that are made under numbers, in one of the rooms; all others are where they live.
#[derive(Debug)]
struct Numbered {
    places: HashMap<Vec<u8>, (usize, u64)>,
    live: Box<Staging>,
}

impl Staging {
    /// Beside the live roots: `containers` are private directories, one per root and in the same order.
    pub(crate) fn beside(roots: Vec<Vec<u8>>, containers: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self> {
        let rooms =
            containers.into_iter().map(|path| Room::open(path.as_ref())).collect::<std::result::Result<_, _>>()?;
        Ok(Self { roots, rooms, whole_paths: false, numbered: None })
    }

    /// Whole paths below the directory `target`.
    pub(crate) fn below(roots: Vec<Vec<u8>>, target: &Path) -> Result<Self> {
        Ok(Self { roots, rooms: vec![Room::open(target)?], whole_paths: true, numbered: None })
    }

    /// Under numbers, each in one of the `containers`. What has none is found in the live trees.
    pub(crate) fn numbered(containers: &[PathBuf], places: HashMap<Vec<u8>, (usize, u64)>, live: Self) -> Result<Self> {
        let rooms = containers.iter().map(|path| Room::open(path)).collect::<std::result::Result<_, _>>()?;
        let numbered = Some(Numbered { places, live: Box::new(live) });
        Ok(Self { roots: Vec::new(), rooms, whole_paths: false, numbered })
    }

    /// Where a path lies, if the directory above it does. Nothing is made.
    pub(crate) fn find_if_there(&mut self, path: &[u8]) -> std::result::Result<Option<Spot>, RestoreError> {
        let root = self.roots.iter().position(|root| order::is_within(path, root)).ok_or_else(|| outside(path))?;
        let above = order::parent(&self.roots[root]).map_or(0, |parent| parent.len() + 1);
        self.rooms[root].spot_if_there(&path[above..])
    }

    /// Where a path lies; the directory above it must.
    pub(crate) fn find(&mut self, path: &[u8]) -> std::result::Result<Spot, RestoreError> {
        self.find_if_there(path)?.ok_or_else(|| lost(&crate::select::shown(path)))
    }

    /// A path on each of its file systems.
    pub(crate) fn file_systems(&self) -> Result<Vec<PathBuf>> {
        let mut paths = HashMap::new();
        for path in self.rooms.iter().map(Room::path) {
            let found = path.metadata().map_err(RestoreError::io("inspect", path))?;
            paths.insert(found.dev(), path.to_owned());
        }
        Ok(paths.into_values().collect())
    }

    /// Makes durable what was done on its file systems.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(self.file_systems()?.iter().try_for_each(|path| publish::sync_fs(path))?)
    }

    /// Where a catalog's path is made.
    pub(crate) fn spot(&mut self, path: &[u8]) -> std::result::Result<Spot, RestoreError> {
        if let Some(numbered) = &mut self.numbered {
            return match numbered.places.get(path) {
                Some((room, number)) => self.rooms[*room].spot(number.to_string().as_bytes()),
                None => numbered.live.find(path),
            };
        }
        let root = self.roots.iter().position(|root| order::is_within(path, root)).ok_or_else(|| outside(path))?;
        if self.whole_paths {
            return self.rooms[0].spot(path);
        }
        let above = order::parent(&self.roots[root]).map_or(0, |parent| parent.len() + 1);
        self.rooms[root].spot(&path[above..])
    }
}

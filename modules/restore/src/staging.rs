//! Where the restored paths are made: hidden directories beside the roots, or another target.

use crate::compare::outside;
use crate::error::{RestoreError, Result};
use crate::tree::{Room, Spot};
use backup_archive::order;
use std::path::Path;

/// Where the restored paths are made.
#[derive(Debug)]
pub(crate) struct Staging {
    /// The generation's roots, as catalog names.
    roots: Vec<Vec<u8>>,
    /// Either one room per root, which then holds the root by its last component, or one room for all whole paths.
    rooms: Vec<Room>,
    whole_paths: bool,
}

impl Staging {
    /// Beside the live roots: `containers` are private directories, one per root and in the same order.
    pub(crate) fn beside(roots: Vec<Vec<u8>>, containers: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self> {
        let rooms =
            containers.into_iter().map(|path| Room::open(path.as_ref())).collect::<std::result::Result<_, _>>()?;
        Ok(Self { roots, rooms, whole_paths: false })
    }

    /// Whole paths below the directory `target`.
    pub(crate) fn below(roots: Vec<Vec<u8>>, target: &Path) -> Result<Self> {
        Ok(Self { roots, rooms: vec![Room::open(target)?], whole_paths: true })
    }

    /// Where a catalog's path is made.
    pub(crate) fn spot(&mut self, path: &[u8]) -> std::result::Result<Spot, RestoreError> {
        let root = self.roots.iter().position(|root| order::is_within(path, root)).ok_or_else(|| outside(path))?;
        if self.whole_paths {
            return self.rooms[0].spot(path);
        }
        let above = order::parent(&self.roots[root]).map_or(0, |parent| parent.len() + 1);
        self.rooms[root].spot(&path[above..])
    }
}

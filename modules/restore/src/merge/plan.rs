//! From what differs to steps.

use super::CONTAINER;
use super::journal::{Move, Set, Steps, encoded, live};
use super::meta::Meta;
use super::regions::{Regions, holder};
use crate::compare::{Change, Comparison, Item, LeftOut};
use crate::error::{RestoreError, Result};
use crate::generation::Generation;
use crate::pipeline::Track;
use crate::select::{View, shown};
use crate::tree::Walk;
use backup_adapters::space;
use backup_adapters::there;
use backup_archive::{EntryKind, order};
use backup_core::job::Stream;
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Whether something new comes to the path; else only its owner, mode, time or attributes change.
pub(crate) fn is_put(change: &Change) -> bool {
    match change {
        Change::Created => true,
        Change::Changed(why) => why.iter().any(|why| ["type", "links", "contents"].contains(why)),
        Change::Removed => false,
    }
}

/// Leaves in place what the generation does not have, unless `delete`; then, too, what holds anything that the job does not
/// collect or that is mounted. Returns what stays for these reasons. Refuses what cannot be without a removal.
pub(crate) fn prune(comparison: &mut Comparison, stream: &Stream, delete: bool) -> Result<Vec<String>> {
    let left_out = LeftOut::of(stream)?;
    let (mut stays, mut items) = (Vec::new(), Vec::new());
    for item in std::mem::take(&mut comparison.items) {
        let place = shown(&item.path);
        match &item.change {
            Change::Removed if !delete => continue,
            Change::Removed => {
                if let Some(why) = reason_to_stay(&item.path, &left_out)? {
                    stays.push(format!("{} stays, because {why}", place.display()));
                    continue;
                }
            }
            Change::Changed(why) if why == &["type"] && holds_something(&place)? => {
                let why = if delete {
                    reason_to_stay(&item.path, &left_out)?
                } else {
                    Some("it is a directory that holds something, and the generation has something else there".into())
                };
                if let Some(why) = why {
                    return Err(RestoreError::InTheWay { path: place, why }.into());
                }
            }
            Change::Created | Change::Changed(_) => {}
        }
        items.push(item);
    }
    comparison.items = items;
    Ok(stays)
}

fn holds_something(place: &std::path::Path) -> Result<bool> {
    let has_entries = |place: &std::path::Path| Ok(place.read_dir()?.next().transpose()?.is_some());
    Ok(there::is_dir(place)? && has_entries(place).map_err(RestoreError::io("read", place))?)
}

fn reason_to_stay(path: &[u8], left_out: &LeftOut) -> Result<Option<String>> {
    let place = shown(path);
    let failed = |error| RestoreError::io("read", &place)(error);
    if there::is_dir(&place)? {
        let mounts = space::mounts_within(&place).map_err(failed)?;
        if let Some(mount) = mounts.first() {
            return Ok(Some(format!("{} is mounted there", mount.display())));
        }
    }
    let mut walk = Walk::new("/".as_ref(), &[path.to_vec()]);
    while let Some((found, kind)) = walk.next_path().map_err(failed)? {
        if left_out.covers(&found, kind) {
            return Ok(Some(format!("the job does not collect {}", shown(&found).display())));
        }
    }
    Ok(None)
}

/// What the generation has at the paths of these items.
pub(crate) fn kinds(generation: &Generation, items: &[Item]) -> Result<HashMap<Vec<u8>, EntryKind>> {
    let wanted: HashSet<_> = items.iter().map(|item| &item.path).collect();
    let (mut view, mut kinds) = (View::new(generation)?, HashMap::new());
    while let Some(pick) = view.next_pick()? {
        if wanted.contains(&pick.entry.path) {
            kinds.insert(pick.entry.path, pick.entry.kind);
        }
    }
    Ok(kinds)
}

/// Room that what comes needs: a directory on the file system, bytes, files.
pub(crate) fn needs(track: &Track<'_>, job: &str) -> Result<Vec<(PathBuf, u64, u64)>> {
    let items = &track.comparison.items;
    let kinds = kinds(&track.generation, items)?;
    let mut regions = Regions::new(&track.comparison.present(&track.generation), job, &[])?;
    let mut needs: Vec<(PathBuf, u64, u64)> = Vec::new();
    for item in items {
        if !is_put(&item.change) && item.change != Change::Removed {
            continue;
        }
        let container = regions.of(&item.path, items)?;
        needs.resize_with(needs.len().max(container + 1), Default::default);
        let size = match kinds.get(&item.path) {
            Some(EntryKind::File { size, .. }) => size.div_ceil(4096).saturating_mul(4096),
            _ => 0,
        };
        needs[container].1 += size;
        needs[container].2 += 1;
    }
    for (need, container) in needs.iter_mut().zip(regions.containers()) {
        holder(container).clone_into(&mut need.0);
    }
    Ok(needs)
}

/// The steps for one stream.
pub(crate) fn steps(
    track: &Track<'_>,
    items: &[Item],
    staged: &HashMap<Vec<u8>, (usize, u64)>,
    containers: &[PathBuf],
    next: &mut u64,
    job: &str,
    steps: &mut Steps,
) -> Result<()> {
    let roots = track.comparison.present(&track.generation);
    let mut trees = live(roots.clone())?;
    let mut rooms = Vec::new();
    for container in containers {
        rooms.push(crate::tree::Room::open(container)?);
    }
    let mut regions = Regions::new(&roots, job, containers)?;
    for item in items {
        if let Some(&(container, number)) = staged.get(&item.path).filter(|_| is_put(&item.change)) {
            // The way may itself still have to come.
            let had = trees.find_if_there(&item.path)?.map_or(Ok(false), |spot| spot.exists())?;
            let new = rooms[container].spot(number.to_string().as_bytes())?.inode()?;
            steps.moves.push(Move { path: encoded(&item.path), container, number, new, had });
        } else if item.change == Change::Removed {
            *next += 1;
            let container = regions.of(&item.path, items)?;
            steps.moves.push(Move { path: encoded(&item.path), container, number: *next, new: None, had: true });
        }
    }
    let holders: HashSet<Vec<u8>> = containers.iter().map(|path| name_of(holder(path))).collect();
    let moved = items.iter().filter(|item| is_put(&item.change) || item.change == Change::Removed);
    let mut touched: HashSet<Vec<u8>> = moved.filter_map(|item| order::parent(&item.path).map(Into::into)).collect();
    touched.extend(holders.iter().cloned());
    let changes: HashMap<&[u8], &Change> = items.iter().map(|item| (item.path.as_slice(), &item.change)).collect();
    let mut view = View::new(&track.generation)?;
    while let Some(pick) = view.next_pick()? {
        let entry = &pick.entry;
        let is_directory = entry.kind == EntryKind::Directory;
        let change = changes.get(entry.path.as_slice());
        let comes = change.is_some_and(|change| is_put(change));
        // A further name has what the first one has.
        let is_set = !comes && change.is_some() && !matches!(entry.kind, EntryKind::Hardlink { .. });
        if !is_set && !(is_directory && (comes || touched.contains(&entry.path))) {
            continue;
        }
        let old = if comes {
            None
        } else {
            trees.find_if_there(&entry.path)?.map(|spot| Meta::read(&spot)).transpose()?.flatten()
        };
        let new = match &old {
            // On the way only: it stays as it was, whatever happens in it.
            Some(old) if pick.is_way => old.clone(),
            _ => Meta::of(entry),
        };
        let holds_container = holders.contains(&entry.path);
        steps.sets.push(Set { path: encoded(&entry.path), old, new, holds_container });
    }
    Ok(())
}

fn name_of(path: &std::path::Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    bytes.strip_prefix(b"/").unwrap_or(bytes).to_vec()
}

/// Whether a name is that of a container of ours.
pub(crate) fn is_container(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    name.starts_with(CONTAINER.as_bytes())
}

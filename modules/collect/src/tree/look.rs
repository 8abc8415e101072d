//! What a collection would find if it came now: a walk that reads no contents and writes nothing.

use super::error::TreeError;
use super::nodes::{Nodes, State};
use super::pass::Known;
use super::scan::Scanner;
use super::spec::TreeSpec;
use super::{finish, layout, pass, source};
use backup_archive::Index;
use backup_archive::index::Type;
use backup_core::manifest::Tree;

/// What a walk tells of the generation that a collection would make.
#[derive(Debug)]
pub struct Look {
    /// What the source holds.
    pub tree: Tree,
    /// Paths that would be read: all that is stored is among them.
    pub read: u64,
    /// Bytes of their contents.
    pub read_bytes: u64,
    /// Entries of `deleted.list`.
    pub deleted: u64,
    /// What the policy tolerates.
    pub warnings: Vec<String>,
}

/// As [`pass::has_lost`], of a path that would be read. What cannot be asked is the collection's to judge.
fn has_lost(nodes: &Nodes, at: u32, before: &[String]) -> bool {
    nodes.state(at) == State::Unread
        && nodes.kind(at) == Type::Directory
        && source::attributes_at(&nodes.absolute(at)).is_ok_and(|now| pass::loses(before, &now))
}

/// Looks at the source, and compares it with the base of an incremental.
///
/// # Errors
/// [`TreeError`]: the source is not as declared, or the system refused.
pub fn look(spec: &TreeSpec, base: Option<&Index>) -> Result<Look, TreeError> {
    let scanner = Scanner::new(spec)?;
    // A collection syncs them first.
    let synced = scanner.devices().into_keys().collect();
    let mut scan = scanner.scan(&synced)?;
    let nodes = &mut scan.nodes;
    let mut deleted = 0;
    if let Some(base) = base {
        let (mut known, gone) = pass::compare_with_base(base, nodes)?;
        pass::renew(nodes, &mut known, &mut Known::new(), has_lost);
        while pass::draw_in_company(nodes, &gone) {}
        deleted = layout::deleted(nodes, base, &scan.unreadable, has_lost)?.len() as u64;
    }
    let read = || nodes.all().filter(|&at| nodes.state(at) == State::Unread);
    Ok(Look {
        tree: finish::tree(nodes),
        read: read().count() as u64,
        read_bytes: read().map(|at| nodes.size(at)).sum(),
        deleted,
        warnings: scan.warnings,
    })
}

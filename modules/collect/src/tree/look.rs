//! What a collection would find if it came now: a walk that reads no contents and writes nothing.

use super::error::TreeError;
use super::node::{Node, State};
use super::pass::Known;
use super::scan::Scanner;
use super::spec::TreeSpec;
use super::{finish, layout, pass, source};
use backup_archive::Index;
use backup_archive::index::{Record, Type};
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

/// As [`pass::has_lost`], of a node that would be read. What cannot be asked is the collection's to judge.
fn has_lost(node: &Node, record: &Record) -> bool {
    let would_be_read = matches!(node.state, State::Unread) && node.stat.kind == Type::Directory;
    would_be_read
        && !record.attribute_names.is_empty()
        && source::attributes_at(&node.absolute()).is_ok_and(|now| pass::loses(record, &now))
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
    let mut deleted = 0;
    if let Some(base) = base {
        let (mut records, gone) = pass::compare_with_base(base, &mut scan);
        pass::renew(&mut scan.nodes, &mut records, &mut Known::new(), has_lost);
        while pass::draw_in_company(&mut scan.nodes, &gone) {}
        deleted = layout::deleted(&scan.nodes, base, &scan.unreadable, has_lost).len() as u64;
    }
    let read = || scan.nodes.iter().filter(|node| matches!(node.state, State::Unread));
    Ok(Look {
        tree: finish::tree(&scan.nodes),
        read: read().count() as u64,
        read_bytes: read().map(Node::size).sum(),
        deleted,
        warnings: scan.warnings,
    })
}

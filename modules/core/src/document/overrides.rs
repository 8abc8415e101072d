//! What a call says instead of the document: another tree, laid over it.

use super::{Node, Position, Refusal, Value, read};

/// Where an override is written: not in the document.
pub(super) const NOWHERE: Position = (0, 0);

/// Lays `overrides`, keys with values as the document nests them, over it. Only what is at or below a key in `may`, where
/// `*` is any one key.
pub(super) fn apply(document: &mut Node, overrides: &str, may: &[&str]) -> Result<(), Refusal> {
    let mut over = read::read(overrides)?;
    displace(&mut over);
    refuse_others(&over, &mut Vec::new(), may)?;
    lay(document, over);
    Ok(())
}

fn displace(node: &mut Node) {
    node.at = NOWHERE;
    match &mut node.value {
        Value::Scalar { .. } => {}
        Value::List(items) => items.iter_mut().for_each(displace),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            displace(key);
            displace(value);
        }),
    }
}

fn refuse_others<'n>(node: &'n Node, path: &mut Vec<&'n str>, may: &[&str]) -> Result<(), Refusal> {
    let is_at = |key: &&str| {
        let steps: Vec<_> = key.split('.').collect();
        steps.len() <= path.len() && steps.iter().zip(path.iter()).all(|(step, name)| *step == "*" || step == name)
    };
    if may.iter().any(is_at) {
        return Ok(());
    }
    let Value::Map(entries) = &node.value else {
        let refusal = Refusal::new("it cannot be overridden").at(NOWHERE).under(&path.join("."));
        return Err(
            refusal.with_remedy(format!("Change the job document. For one call these can be: {}.", may.join(", ")))
        );
    };
    for (key, value) in entries {
        path.push(key.text());
        refuse_others(value, path, may)?;
        path.pop();
    }
    Ok(())
}

fn lay(under: &mut Node, over: Node) {
    match (&mut under.value, over.value) {
        (Value::Map(entries), Value::Map(others)) => {
            for (key, value) in others {
                match entries.iter_mut().find(|(name, _)| name.text() == key.text()) {
                    Some((_, own)) => lay(own, value),
                    None => entries.push((key, value)),
                }
            }
        }
        (_, value) => *under = Node { value, at: over.at },
    }
}

//! From the caller's options to the stores that are meant.

use crate::rotation::Rotation;
use backup_adapters::jobs::Named;
use backup_common::StreamArgs;
use backup_core::job::StreamOf;
use backup_interface::Failed;

/// The job document and the stores it names on this host, data first.
pub(crate) fn rotations(args: &StreamArgs) -> Result<(Named, Vec<Rotation>), Failed> {
    let named = args.load()?;
    let wanted = args.stream.of(&named.job)?;
    let of = |of: StreamOf<'_>| if named.is_sink { Rotation::sink(&of) } else { Rotation::source(&of) };
    let rotations = named.job.streams().filter(|of| wanted.contains(&of.name)).map(of).collect();
    Ok((named, rotations))
}

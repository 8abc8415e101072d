//! Dumps: loaded by the job's own command, or left as plain files.

use crate::error::{RestoreError, Result};
use crate::generation::Generation;
use crate::tree::Room;
use backup_adapters::command::Input;
use backup_adapters::publish::{self, Owner};
use backup_adapters::signals::Interrupt;
use backup_adapters::{declared, fault, users};
use backup_archive::read::{Plain, ReadError};
use backup_core::job::{Dump, DumpTime, StreamOf};
use backup_core::layout::StreamDir;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What becomes of one dump.
#[derive(Debug, Clone)]
pub(crate) struct DumpPlan {
    /// The artifact.
    pub artifact: String,
    /// How it comes back.
    pub way: Way,
}

/// How a dump comes back.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// A command of the job reads it: while the services stand still, or after they run again.
    Load(Box<Dump>),
    /// It becomes a plain file: directory, and name below it.
    Leave(PathBuf, String),
    /// That plain file is there already.
    Present(PathBuf),
}

/// The artifact's name without its compression: `dump-orders.sql`.
fn plain_name(artifact: &str) -> &str {
    artifact.rsplit_once('.').map_or(artifact, |(plain, _)| plain)
}

/// Says what becomes of the dumps of a generation. With another target nothing is loaded.
pub(crate) fn plan(generation: &Generation, of: StreamOf<'_>, target: Option<&Path>) -> Vec<DumpPlan> {
    let mut plans = Vec::new();
    for artifact in generation.dumps() {
        let plain = plain_name(artifact);
        let declared = of.stream.dumps.iter().find(|dump| plain == format!("dump-{}.{}", dump.name, dump.extension));
        let (top, name) = target.map_or_else(
            || {
                let dir = StreamDir::new(&of.restore_root(), &of.job.job, of.name);
                (dir.path().to_owned(), format!("dumps/{}/{plain}", generation.own.stored.id))
            },
            |target| (target.to_owned(), plain.to_owned()),
        );
        let way = match declared.filter(|dump| dump.restore.is_some() && target.is_none()) {
            Some(dump) => Way::Load(Box::new(dump.clone())),
            None if is_there(generation, artifact, &top.join(&name)) => Way::Present(top.join(name)),
            None => Way::Leave(top, name),
        };
        plans.push(DumpPlan { artifact: artifact.to_owned(), way });
    }
    plans
}

fn is_there(generation: &Generation, artifact: &str, path: &Path) -> bool {
    let wanted = generation.own.stored.manifest.artifacts.get(artifact);
    let digest = || -> io::Result<[u8; 32]> {
        if !path.symlink_metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut hash = Sha256::new();
        io::copy(&mut File::open(path)?, &mut HashInto(&mut hash))?;
        Ok(hash.finalize().into())
    };
    wanted.is_some_and(|wanted| digest().is_ok_and(|found| wanted.plain_sha256.as_str() == hex::encode(found)))
}

struct HashInto<'a>(&'a mut Sha256);

impl Write for HashInto<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(generation: &Generation, artifact: &str) -> Result<Plain> {
    let damaged = || RestoreError::Damaged { id: generation.own.stored.id, why: format!("no {artifact}") };
    Ok(generation.own.open(artifact)?.ok_or_else(damaged)?)
}

/// Loads the dumps that were taken at this time: those that were taken while the services stood still are loaded while
/// they stand still. Every byte is compared before the command sees the first.
pub(crate) fn load(generation: &Generation, plans: &[DumpPlan], when: DumpTime, interrupt: &Interrupt) -> Result<u32> {
    let mut loaded = 0;
    for plan in plans {
        let Way::Load(dump) = &plan.way else { continue };
        let Some(command) = dump.restore.as_ref().filter(|_| dump.when == when) else { continue };
        open(generation, &plan.artifact)?.finish()?;
        let input = Input::Reader(Box::new(open(generation, &plan.artifact)?));
        let failed = |source| RestoreError::Dump { name: dump.name.clone(), source };
        declared::command(command)?.interrupted_by(interrupt).input(input).run().map_err(failed)?;
        fault::point("restore.dump.loaded");
        loaded += 1;
    }
    Ok(loaded)
}

/// Writes the dumps that nobody loads as plain files, for root's eyes only.
pub(crate) fn leave(generation: &Generation, plans: &[DumpPlan], of: StreamOf<'_>) -> Result<()> {
    for plan in plans {
        let Way::Leave(top, name) = &plan.way else { continue };
        let owner = users::by_name(of.user()).ok().as_ref().map(Owner::from);
        publish::create_dirs(top, 0o750, owner)?;
        let spot = Room::open(top)?.spot(name.as_bytes())?;
        // What is there under this name is another attempt's.
        publish::remove_file(&top.join(name))?;
        let mut file = spot.create()?;
        let mut plain = open(generation, &plan.artifact)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = match plain.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    publish::remove_file(&top.join(name))?;
                    return Err(ReadError::from_io(&plan.artifact, error).into());
                }
            };
            file.write_all(&buffer[..count]).map_err(RestoreError::io("write", spot.shown()))?;
        }
        file.sync_all().map_err(RestoreError::io("sync", spot.shown()))?;
        fault::point("restore.dump.left");
    }
    Ok(())
}

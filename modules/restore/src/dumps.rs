//! Dumps: loaded by the job's own command, or left as plain files.

use crate::error::{RestoreError, Result};
use crate::generation::{Generation, open_regular};
use crate::tree::Room;
use backup_adapters::command::Input;
use backup_adapters::publish::{self, Owner};
use backup_adapters::signals::Interrupt;
use backup_adapters::{declared, fault, users};
use backup_archive::read::{Plain, ReadError};
use backup_core::job::{Dump, DumpTime, StreamOf};
use backup_core::layout::StreamDir;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
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
    let digest = || -> Result<[u8; 32]> {
        let mut hash = Sha256::new();
        io::copy(&mut open_regular(path)?, &mut HashInto(&mut hash)).map_err(RestoreError::io("read", path))?;
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

/// A dump that is to be loaded, compared, out of everybody's reach: its loader may be root, and must not get what somebody
/// who may write to the store has put there since.
pub(crate) struct Spooled<'a> {
    generation: &'a Generation,
    artifact: &'a str,
    dump: &'a Dump,
    /// As it is stored, and without a name.
    file: File,
}

/// So many bytes are copied to load these dumps.
pub(crate) fn spool_bytes(generation: &Generation, plans: &[DumpPlan]) -> u64 {
    let artifacts = &generation.own.stored.manifest.artifacts;
    let loaded = plans.iter().filter(|plan| matches!(plan.way, Way::Load(_)));
    loaded.filter_map(|plan| artifacts.get(&plan.artifact)).map(|artifact| artifact.bytes).sum()
}

/// Copies the dumps that are to be loaded to root's own directory `state`, and compares every byte of the copies.
pub(crate) fn spool<'a>(generation: &'a Generation, plans: &'a [DumpPlan], state: &Path) -> Result<Vec<Spooled<'a>>> {
    let mut spooled = Vec::new();
    for plan in plans {
        let Way::Load(dump) = &plan.way else { continue };
        let artifact = plan.artifact.as_str();
        let mut stored = generation.own.stored(artifact)?.ok_or_else(|| generation.own.without(artifact))?;
        let path = state.join("restore.spool");
        // What a kill left.
        publish::remove_file(&path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(RestoreError::io("create", &path))?;
        publish::remove_file(&path)?;
        io::copy(&mut stored, &mut file).map_err(RestoreError::io("copy a dump to", &path))?;
        let copy = Spooled { generation, artifact, dump, file };
        copy.open()?.finish()?;
        spooled.push(copy);
    }
    Ok(spooled)
}

impl Spooled<'_> {
    fn open(&self) -> Result<Plain> {
        let path = PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        let file = File::open(&path).map_err(RestoreError::io("open", &path))?;
        self.generation.own.plain(self.artifact, file)
    }
}

/// Loads the dumps that were taken at this time: those that were taken while the services stood still are loaded while
/// they stand still.
pub(crate) fn load(dumps: &[Spooled<'_>], when: DumpTime, interrupt: &Interrupt) -> Result<u32> {
    let mut loaded = 0;
    for spooled in dumps {
        let dump = spooled.dump;
        let Some(command) = dump.restore.as_ref().filter(|_| dump.when == when) else { continue };
        let input = Input::Reader(Box::new(spooled.open()?));
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
        let spot = Room::open_or_make(top, owner)?.spot(name.as_bytes())?;
        // What is there under this name is another attempt's.
        spot.remove()?;
        let file = spot.create()?;
        if let Err(failed) = write(generation, &plan.artifact, file, spot.shown()) {
            spot.remove()?;
            return Err(failed);
        }
        spot.sync_directory()?;
        fault::point("restore.dump.left");
    }
    Ok(())
}

fn write(generation: &Generation, artifact: &str, mut file: File, shown: &Path) -> Result<()> {
    let mut plain = generation.own.open(artifact)?.ok_or_else(|| generation.own.without(artifact))?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = plain.read(&mut buffer).map_err(|error| ReadError::from_io(artifact, error))?;
        if count == 0 {
            return Ok(file.sync_all().map_err(RestoreError::io("sync", shown))?);
        }
        file.write_all(&buffer[..count]).map_err(RestoreError::io("write", shown))?;
    }
}

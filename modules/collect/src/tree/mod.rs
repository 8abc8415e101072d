//! Collecting the include paths of a stream: warm passes while the application runs, one cold pass while it stands
//! still, and the finish after it runs again.
//!
//! ```text
//! new ─► warm ─► (estimate, warm)* ─► stop services ─► cold ─► start services ─► finish
//! new ─► warm ─► finish                     a job that stops nothing
//! ```
//!
//! The final layout is always the sorted members cut into groups; passes only decide where the bytes of each member
//! come from: a frame of an earlier pass, the spool of the cold pass, or a file that is read now.
//!
//! Invariants: the live tree is never read after the last pass; no file is held in memory whole; a member's size is
//! what was read of it; every artifact was read back from the medium before it is reported.

mod ahead;
mod artifact;
mod assemble;
mod error;
mod finish;
mod large;
mod layout;
mod look;
mod member;
mod nodes;
mod pass;
mod paths;
mod pool;
mod reading;
mod scan;
mod shelf;
mod source;
mod spec;
mod stat;
mod stored;
mod tell;
mod trail;
mod work;

pub(crate) use artifact::reread;
pub use error::TreeError;
pub(crate) use error::named;
pub use look::{Look, look};
pub use spec::{Estimate, PassStats, Progress, StoredArtifact, TreeResult, TreeSpec};

use backup_adapters::host::Now;
use backup_adapters::publish;
use backup_archive::group::LARGE;
use backup_archive::{Index, Mtime};
use backup_core::job::Tolerance;
use jiff::Timestamp;
use member::{Owners, Worker};
use nodes::State;
use pass::{Base, Temperature};
use pool::Pool;
use scan::{Scan, Scanner};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use work::Work;

/// Called now and then with how far the current step is; answering false ends it with [`TreeError::Interrupted`].
pub type Watch = Box<dyn Fn(&Progress) -> bool + Send>;

/// A wall clock that moved by more than this against the boot clock was stepped.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(500);

/// Collects the include paths of one stream into a staging directory.
pub struct TreeCollector {
    spec: TreeSpec,
    base: Option<Index>,
    staging: PathBuf,
    scanner: Scanner,
    workers: Vec<Worker>,
    work: Work,
    owners: Owners,
    pool: Pool,
    watch: Option<Watch>,
    /// What the last pass found and knows.
    scan: Scan,
    /// T0 of the last pass, and both clocks then.
    t0: Mtime,
    clock: Option<Now>,
    stats: Option<PassStats>,
    /// What the last pass read, if another one came before it: the best guess at what the next will.
    repeated: Option<Estimate>,
}

impl TreeCollector {
    /// Prepares a collection. With `base` (the index of the full to differ from) it makes an incremental, else a full.
    /// Artifacts and work files are written to the existing directory `staging`, with mode 0640 and our own owner.
    ///
    /// # Errors
    /// [`TreeError`]: a malformed exclude pattern, or staging cannot be written to.
    pub fn new(mut spec: TreeSpec, base: Option<Index>, staging: &Path) -> Result<Self, TreeError> {
        // Smaller files are members of groups: they have no blocks.
        spec.large_file = spec.large_file.max(LARGE + 1);
        let worker = || Worker::new(spec.level).map_err(TreeError::io("compress into", staging));
        Ok(Self {
            scanner: Scanner::new(&spec)?,
            workers: (0..spec.threads.max(1)).map(|_| worker()).collect::<Result<_, _>>()?,
            work: Work::create(staging)?,
            staging: staging.to_owned(),
            owners: Owners::default(),
            pool: Pool::default(),
            watch: None,
            scan: Scan::default(),
            t0: Mtime::default(),
            clock: None,
            stats: None,
            repeated: None,
            spec,
            base,
        })
    }

    /// Sets who is told about progress and may interrupt.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// A pass while the application runs: reads and frames everything that may have changed since the previous pass.
    /// `now` is asked before anything is looked at.
    ///
    /// # Errors
    /// [`TreeError`]: the source is not as declared, or the system refused.
    pub fn warm(&mut self, now: &dyn Fn() -> Now) -> Result<PassStats, TreeError> {
        let stats = self.pass(Temperature::Warm, now)?;
        self.work.rest()?;
        Ok(stats)
    }

    /// The pass while the application stands still: whatever cannot be proven unchanged is read into a spool, without
    /// compressing it.
    ///
    /// # Errors
    /// As [`Self::warm`].
    pub fn cold(&mut self, now: &dyn Fn() -> Now) -> Result<PassStats, TreeError> {
        self.pass(Temperature::Cold, now)
    }

    /// What the cold pass would read if it came now, as far as the passes before can tell.
    pub fn estimate(&self) -> Estimate {
        let mut estimate = self.repeated.unwrap_or_default();
        let mut certain = Estimate::default();
        let nodes = &self.scan.nodes;
        for at in nodes.all() {
            let t0 = match nodes.state(at) {
                State::Same(t0) => Some(nodes.shelf.time_of(t0)),
                State::Stored(number) => Some(nodes.shelf.t0(number)).filter(|_| nodes.shelf.is_settled(number)),
                State::Unread | State::Skipped => None,
            };
            let stat = nodes.stat(at);
            let kept = nodes.is_trusted(at) && t0.is_some_and(|t0| stat.unmoved_since(t0, &stat.tuple));
            if !kept {
                certain.paths += 1;
                certain.bytes += nodes.size(at);
            }
        }
        estimate.paths = estimate.paths.max(certain.paths);
        estimate.bytes = estimate.bytes.max(certain.bytes);
        estimate
    }

    /// Whether something exists that the last pass could not read because other things kept taking its place: another
    /// pass may be luckier.
    pub const fn has_lost_something(&self) -> bool {
        self.scan.lost.is_some()
    }

    /// Compresses the rest and writes the artifacts. Never looks at the live tree.
    ///
    /// # Errors
    /// [`TreeError`]: the last pass lost something that the policy does not allow to be left out, the system refused,
    /// or what was written does not read back.
    pub fn finish(mut self) -> Result<TreeResult, TreeError> {
        match self.scan.lost.take() {
            Some(lost) if self.spec.unreadable == Tolerance::Fail => Err(lost),
            _ => self.write(),
        }
    }

    fn pass(&mut self, temperature: Temperature, now: &dyn Fn() -> Now) -> Result<PassStats, TreeError> {
        let clock = now();
        let stepped = self.clock.is_some_and(|before| clock.realtime_step_since(before) > CLOCK_TOLERANCE);
        let t0 = wall(clock);
        let mut scan = self.scanner.scan(&self.sync()?)?;
        let old = std::mem::take(&mut self.scan.nodes);
        let mut known = pass::carry_over(old, &mut scan.nodes, temperature, stepped);
        let (mut base, mut gone) = match &self.base {
            Some(base) => pass::compare_with_base(base, &mut scan.nodes)?,
            None => (Base::default(), HashSet::new()),
        };
        let Progress { paths: read, bytes: read_bytes } =
            self.read(&mut scan, temperature, t0, &mut known, &mut base, &mut gone)?;
        self.repeated = self.stats.map(|_| Estimate { paths: read, bytes: read_bytes });
        let paths = scan.nodes.len().into();
        let started = Timestamp::new(t0.seconds, t0.nanoseconds.cast_signed()).unwrap_or_default();
        let stats = PassStats { t0: started, paths, read, read_bytes };
        (self.scan, self.t0, self.clock, self.stats) = (scan, t0, Some(clock), Some(stats));
        Ok(stats)
    }

    /// Writes out what is dirty on the include paths' file systems, and says which devices those are. Pages that were
    /// written through a mapping get their mtime now, and are clean: the next write moves it again.
    fn sync(&self) -> Result<HashSet<u64>, TreeError> {
        let devices = self.scanner.devices();
        for root in devices.values() {
            publish::sync_fs(root)?;
        }
        Ok(devices.into_keys().collect())
    }
}

fn wall(clock: Now) -> Mtime {
    let seconds = i64::try_from(clock.realtime.as_secs()).unwrap_or(i64::MAX);
    Mtime { seconds, nanoseconds: clock.realtime.subsec_nanos() }
}

//! What can be asked of the executable, and its documentation.

use crate::PROGRAM;
use crate::error::{RestoreError, Result};
use crate::merge::Interrupted;
use crate::owners::{OwnerReport, Whose};
use crate::pipeline;
use crate::recover::Rescue;
use crate::report::{Available, DumpReport, Fate, RootReport, RunReport, ServiceReport, StatusReport, StreamReport};
use crate::request::{Request, RunArgs};
use crate::status::status;
use backup_adapters::signals::Interrupt;
use backup_common::JobArgs;
use backup_common::recover::{self, RecoverArgs, RecoverReport};
use backup_core::{Digest, GenerationKind, GenerationRef, StreamName};
use backup_interface::{Call, Described, Module, Outcome, Returned};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(clap::Subcommand)]
enum Command {
    /// Restore now.
    Run(RunArgs),
    /// Say what run would do, item by item with `--diff`.
    Plan(RunArgs),
    /// List the generations that can be restored from here.
    Status(JobArgs),
    /// Undo or finish what an interrupted restore left, and start what it stopped; silent if there is nothing to do.
    Recover(OwnRecoverArgs),
}

/// Options of `recover`.
#[derive(Debug, clap::Args)]
struct OwnRecoverArgs {
    #[command(flatten)]
    common: RecoverArgs,
    /// Bring a merge that was cut short to its end, whatever it was told when it began. Its hooks and dumps do not run: restore
    /// again for those.
    #[arg(long)]
    finish: bool,
    /// Take a merge that was cut short back, whatever it was told when it began.
    #[arg(long, conflicts_with = "finish")]
    undo: bool,
}

const MODULE: Module = Module {
    name: PROGRAM,
    summary: "Bring a generation of a job back",
    description: &[
        "Takes the newest generation by its id, re-reads every stored byte, checks that a pinned key signed the receipt, and \
         unpacks it beside the live trees. Then it stops the job's services, exchanges the trees, and starts what was on.",
        "If anything fails before the `after` hooks are through, the old trees go back and the services start on them again.",
        "Compares first, metadata and contents: where everything is as the generation has it, nothing is stopped and nothing \
         changes. That reads the live trees once.",
        "With `mode: merge` trees stay where they are: only what differs is written, and what the generation does not have stays. \
         An interruption is undone or finished, as `interrupted` or `recover` says.",
        "What the job excludes is not touched: it moves over into the restored tree.",
        "Dumps are loaded by the `restore` command that the job declares for them, each time; without one they are left as \
         plain files in the restore folder. Runs as root.",
    ],
    examples: r"
- name: Restore the newest copy in the restore folder
  backup_restore:
    job: shop

- name: Look at last week's state without touching anything
  backup_restore:
    job: shop
    from: source_store
    generation: 20261120T220000Z
    target: /srv/restored

- name: Bring one directory back into a tree that others share, and leave the rest alone
  backup_restore:
    job: shop
    path: [/srv/shop/orders]
    mode: merge

- name: Restore what the provider gave back
  backup_restore:
    job: shop
    from: path:/mnt/returned/home/dataBackupSource/store
",
    files: &[
        ("/etc/handover/jobs", "The job documents. The other paths here are what they and the roles say by default."),
        ("/etc/handover/signers", "The keys of the sinks, whose signed receipts are believed."),
        ("/home/dataBackupSource/restore", "The restore folder, where copies are placed that are to be restored."),
        (
            "/home/dataBackupSource/store, /home/logBackupSource/store, /home/dataBackupSink/store",
            "The source stores and the sink store, each with a RESTORE.txt that tells how to restore without these executables.",
        ),
        (
            "/var/lib/handover",
            "What this host remembers of its jobs: their state, the index of the present base, which services were on.",
        ),
        ("/var/log/handover.log", "What the executables log, by way of syslog."),
    ],
    returns: || {
        vec![
            Returned::new("actions run and plan", &samples::run()),
            Returned::new("action status", &samples::status()),
            Returned::new("action recover", &RecoverReport { recovered: vec!["put back /srv/shop".into()] }),
        ]
    },
};

/// The whole executable.
pub fn main() -> std::process::ExitCode {
    backup_interface::main(&MODULE, |command, call| match command {
        Command::Run(args) | Command::Plan(args) => run(&args, call),
        Command::Status(args) => status(&args),
        Command::Recover(args) => recover(&args, call),
    })
}

/// What it can be told on a command line, for man pages and completions.
pub fn described() -> Described {
    Described::of::<Command>(MODULE)
}

fn run(args: &RunArgs, call: &Call) -> Result<Outcome> {
    let interrupt = Interrupt::install().map_err(RestoreError::io("watch signals of", "/proc/self"))?;
    raise_file_limit();
    pipeline::run(&Request::new(args, call)?, call, &interrupt)
}

fn recover(args: &OwnRecoverArgs, call: &Call) -> Result<Outcome> {
    if let Some(seconds) = args.common.after {
        std::thread::sleep(Duration::from_secs(seconds));
    }
    let wish = match (args.finish, args.undo) {
        (true, _) => Some(Interrupted::Finish),
        (_, true) => Some(Interrupted::Undo),
        _ => None,
    };
    recover::recover(&Rescue { wish }, &args.common, call)
}

/// Removing a tree needs a descriptor per level, and trees may be two thousand levels deep.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Where it is refused, only very deep trees suffer.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard);
    }
}

/// Results for the documentation.
mod samples {
    use super::{
        Available, Digest, DumpReport, Fate, GenerationKind, GenerationRef, OwnerReport, RootReport, RunReport,
        ServiceReport, StatusReport, StreamName, StreamReport, Whose,
    };

    pub(super) fn run() -> RunReport {
        RunReport {
            job: "shop".into(),
            streams: vec![StreamReport {
                stream: StreamName::Data,
                fate: Fate::Restored,
                id: "20261120T220000Z".parse().expect("a sample id"),
                kind: GenerationKind::Incremental,
                base: Some(GenerationRef {
                    id: "20261115T220000Z".parse().expect("a sample id"),
                    digest: Digest::of(b"base"),
                }),
                digest: Digest::of(b"sample"),
                path: "/home/dataBackupSource/restore/shop/data/20261120T220000Z".into(),
                signed_by: Some("sink1".into()),
                owners: vec![OwnerReport {
                    of: Whose::User,
                    name: Some("shop".into()),
                    number: 1001,
                    becomes: 1003,
                    name_here: Some("shop".into()),
                }],
                roots: vec![RootReport {
                    path: "/srv/shop".into(),
                    paths: 187_000,
                    bytes: 3_700_000_000,
                    created: 12,
                    changed: 3,
                    removed: 1,
                }],
                dumps: vec![DumpReport {
                    name: "dump-orders.sql.zst".into(),
                    loaded: false,
                    path: Some("/srv/restored/dump-orders.sql".into()),
                }],
            }],
            target: Some("/srv/restored".into()),
            services: vec![ServiceReport { name: "shop.service".into(), was_on: true }],
            recovered: vec!["put back /srv/shop".into()],
            kept_old: vec!["/srv/.shop.before-20261120T220000Z".into()],
            downtime_ms: 4,
            downtime_with_services_ms: 2300,
            duration_ms: 21_000,
        }
    }

    pub(super) fn status() -> StatusReport {
        StatusReport {
            job: "shop".into(),
            generations: vec![Available {
                from: "source_store",
                stream: StreamName::Data,
                id: "20261120T220000Z".parse().expect("a sample id"),
                kind: GenerationKind::Incremental,
                base: Some("20261115T220000Z".parse().expect("a sample id")),
                complete: true,
                receipt_of: Some("sink1".into()),
                bytes: 1_200_000_000,
            }],
            interrupted: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_is_what_the_executable_prints() {
        let library = concat!(env!("CARGO_MANIFEST_DIR"), "/../../library");
        backup_interface::docs::check::<Command>(&MODULE, library).unwrap();
    }
}

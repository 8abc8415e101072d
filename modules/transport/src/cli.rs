//! What an operator, cron and Ansible can say.

use crate::serve::Allow;
use backup_common::{JobArgs, StreamArgs};
use backup_core::{InstanceId, StreamName, Wanted};
use std::path::PathBuf;

/// The actions.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Carry what waits in the handover point to the sink's store.
    Run(RunArgs),
    /// Say what run would carry.
    Plan(RunArgs),
    /// Say what waits and what is stored.
    Status(StatusArgs),
    /// Bring a generation back from the sink into the restore folder, with its base and receipts.
    Fetch(FetchArgs),
    /// On a sink: place a generation in the restore folder of its source, with its base and receipts.
    Deliver(DeliverArgs),
    /// On a sink: accept generations of another source installation from here on.
    Adopt(AdoptArgs),
    /// Serve one request of a peer, as the forced command of its key.
    #[command(hide = true)]
    Serve(ServeArgs),
}

/// Options of `run` and `plan`.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Which job, which streams.
    #[command(flatten)]
    pub what: StreamArgs,
    /// Do nothing unless the run that `schedule.transport` asked for last was missed, because the host was off.
    #[arg(long)]
    pub missed: bool,
}

/// Options of `status`.
#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// Which job, which streams.
    #[command(flatten)]
    pub what: StreamArgs,
    /// Ask the other side as well.
    #[arg(long)]
    pub peer: bool,
}

/// Options of `fetch`.
#[derive(Debug, Clone, clap::Args)]
pub struct FetchArgs {
    /// Which job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Which stream.
    #[arg(long, value_parser = parse_stream, default_value = "data")]
    pub stream: StreamName,
    /// The id of a generation, or `newest`: the newest verified one; where none is verified, the newest, with a warning. Or a day of UTC
    /// (`2026-11-20`) or a time with its zone (`2026-11-20T22:00Z`): the same among those that are not after it.
    #[arg(long, default_value = "newest")]
    pub generation: Wanted,
    /// The sink's host; default: the job's peer, where the source pushes.
    #[arg(long)]
    pub address: Option<String>,
    /// Port of the sink's sshd; default: the peer's.
    #[arg(long)]
    pub port: Option<u16>,
    /// Login at the sink; default: the sink's login.
    #[arg(long)]
    pub login: Option<String>,
    /// Private key of the access that was granted, readable for the stream's user only; default: the one that transport uses.
    #[arg(long)]
    pub identity: Option<PathBuf>,
    /// Pinned host keys; default: those that transport uses.
    #[arg(long)]
    pub known_hosts: Option<PathBuf>,
}

/// Options of `deliver`.
#[derive(Debug, Clone, clap::Args)]
pub struct DeliverArgs {
    /// Which job, as it is named on the sink.
    #[command(flatten)]
    pub job: JobArgs,
    /// Which stream.
    #[arg(long, value_parser = parse_stream, default_value = "data")]
    pub stream: StreamName,
    /// The id of a generation, or `newest`: the newest verified one; where none is verified, the newest, with a warning. Or a day of UTC
    /// (`2026-11-20`) or a time with its zone (`2026-11-20T22:00Z`): the same among those that are not after it.
    #[arg(long, default_value = "newest")]
    pub generation: Wanted,
    /// The source's host; default: the job's peer, where the sink pulls.
    #[arg(long)]
    pub address: Option<String>,
    /// Port of the source's sshd; default: the peer's where the sink pulls, else 22.
    #[arg(long)]
    pub port: Option<u16>,
    /// Login at the source; default: the stream's user.
    #[arg(long)]
    pub login: Option<String>,
    /// Private key of the access that was granted, readable for the sink's user only. What transports log in with delivers nothing.
    #[arg(long)]
    pub identity: PathBuf,
    /// Pinned host keys; default: those that transport uses.
    #[arg(long)]
    pub known_hosts: Option<PathBuf>,
}

fn parse_stream(text: &str) -> Result<StreamName, backup_core::generation::ParseError> {
    text.parse()
}

/// Options of `adopt`.
#[derive(Debug, Clone, clap::Args)]
pub struct AdoptArgs {
    /// Which job, which streams.
    #[command(flatten)]
    pub what: StreamArgs,
    /// The source instance, as the refusal names it.
    #[arg(long)]
    pub instance: InstanceId,
}

/// Options of `serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// The job as it is named on this host.
    #[arg(long)]
    pub job: String,
    /// The stream.
    #[arg(long, value_parser = parse_stream)]
    pub stream: StreamName,
    /// What the key may do.
    #[arg(long, value_enum)]
    pub allow: Allow,
    /// Holds the job documents in `jobs/`.
    #[arg(long, default_value = "/etc/handover")]
    pub config: PathBuf,
}

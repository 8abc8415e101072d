//! Transport: carry sealed generations to the sink, prove their arrival, free the handover point.
//!
//! Two ends ([`ends`]), the source's handover point ([`source`]) and the sink's incoming area and store ([`sink`]),
//! answer the same questions ([`wire`]) whether they are on this host or behind ssh. [`run`] asks them in the order of
//! the process; [`serve`] answers them for a peer. What a sink wants is decided by a pure function ([`judge`]).
//!
//! Invariants: nothing leaves the handover point without a receipt that a pinned key signed, unless no sink will ever
//! take it; nothing enters a sink's store that was not re-read, unless the job says `verify: none`; every step can be
//! killed and is done again, or found done, by the next run.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod access;
pub mod arrival;
pub mod attempt;
pub mod candidate;
pub mod carry;
pub mod cli;
mod commands;
pub mod deliver;
pub mod ends;
pub mod error;
pub mod fetch;
pub mod judge;
mod notify;
pub mod place;
pub mod report;
pub mod restored;
pub mod retry;
mod rotation;
pub mod run;
#[cfg(test)]
mod sample;
pub mod serve;
pub mod sink;
pub mod source;
pub mod wire;

use backup_interface::{Described, Module, Returned};
use cli::Command;

/// What `ansible-doc` says beyond the options.
pub const MODULE: Module = Module {
    name: "backup_transport",
    summary: "Carry backup generations from the handover point to the sink's store",
    description: &[
        "Carries what waits in the handover point to the sink, where it is verified, stored and signed for. Only then does the source's copy move to the source's own store. Afterwards each side rotates its store by its own policy.",
        "Runs on the source (push) or on the sink (pull), as the job says. An interrupted transfer goes on where it was cut, and only differences to the previous copy travel.",
        "A connection that fails is tried again within the job's window. With nothing outstanding nothing is changed.",
    ],
    examples: "- name: Carry what waits in the handover point of the job shop\n  backup_transport:\n    job: shop\n\n- name: Pull on the sink\n  backup_transport:\n    job: web1/shop\n    stream: logs\n\n- name: Carry what waits if the scheduled run was missed while the host was off\n  backup_transport:\n    job: shop\n    missed: true\n\n- name: Bring the newest copy back into the restore folder\n  backup_transport:\n    action: fetch\n    job: shop\n    address: sink1\n    identity: /run/restore_key\n    known_hosts: /run/restore_key.known_hosts\n\n- name: Place the newest copy in the restore folder of its source, on the sink\n  backup_transport:\n    action: deliver\n    job: web1/shop\n    address: web1\n    identity: /run/deliver_key\n    known_hosts: /run/deliver_key.known_hosts\n",
    files: &[
        ("/etc/handover/jobs", "The job documents. The other paths here are what they and the roles say by default."),
        ("/etc/handover/known_hosts", "The host keys of the peers that are logged in to."),
        ("/etc/handover/signers", "On a source: the keys of the sinks, which sign receipts."),
        ("/etc/handover/receipt_ed25519", "On a sink: the key that signs its receipts."),
        (
            "/home/dataBackupSource/handover, /home/logBackupSource/handover",
            "The handover points: generations that wait for transport.",
        ),
        (
            "/home/dataBackupSource/store, /home/logBackupSource/store, /home/dataBackupSink/store",
            "The source stores and the sink store, each with a RESTORE.txt that tells how to restore without these executables.",
        ),
        ("/home/dataBackupSource/restore", "The restore folder, where copies are placed that are to be restored."),
        ("/var/log/handover.log", "What the executables log, by way of syslog."),
    ],
    returns: || {
        vec![
            Returned::new("actions run and plan", &report::RunReport::sample()),
            Returned::new("action status", &report::StatusReport::sample()),
            Returned::new("action fetch", &report::FetchReport::sample()),
            Returned::new("action deliver", &report::DeliverReport::sample()),
            Returned::new("action adopt", &report::AdoptReport::sample()),
        ]
    },
};

/// Entry point.
pub fn main() -> std::process::ExitCode {
    backup_interface::main(&MODULE, |command, call| match command {
        Command::Run(args) | Command::Plan(args) => commands::run(&args, call),
        Command::Status(args) => commands::status(&args),
        Command::Fetch(args) => commands::fetch(&args, call),
        Command::Deliver(args) => commands::deliver(&args, call),
        Command::Adopt(args) => commands::adopt(&args, call),
        Command::Serve(args) => commands::serve(&args),
    })
}

/// What it can be told on a command line, for man pages and completions.
pub fn described() -> Described {
    Described::of::<Command>(MODULE)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_documentation_is_what_the_executable_prints() {
        let library = concat!(env!("CARGO_MANIFEST_DIR"), "/../../library");
        backup_interface::docs::check::<super::Command>(&super::MODULE, library).unwrap();
    }
}

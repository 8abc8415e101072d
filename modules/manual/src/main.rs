//! `backup_manual FOLDER`: writes man pages and completions of all executables below FOLDER, where they belong below `/` on a host.
//!
//! clap's generators make them from the declarations that the executables run with. They are no part of the executables, which would
//! grow by 160 kB each, and are sent with tasks.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod complete;
mod page;

use backup_interface::Described;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Of an administrator's own programs: no package manager writes there. bash-completion and man-db look there by themselves.
const SHARE: &str = "usr/local/share";
/// fish looks into `/usr/local/share` only where the environment says so, and always here.
const FISH: &str = "etc/fish/completions";

/// One file below `/`.
struct Written {
    path: PathBuf,
    text: String,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: backup_manual FOLDER");
        return ExitCode::from(2);
    };
    match write_all(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backup_manual: cannot write below {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &OsString) -> io::Result<()> {
    for Written { path, text } in executables().into_iter().flat_map(files) {
        let path = Path::new(folder).join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn executables() -> [Described; 6] {
    [
        backup_collect::described(),
        backup_transport::described(),
        backup_rotate::described(),
        backup_restore::described(),
        backup_job::described(),
        backup_plan::described(),
    ]
}

fn files(executable: Described) -> Vec<Written> {
    let name = executable.module.name;
    let mut files = complete::all(&executable.grammar, name);
    files.extend(page::all(executable));
    files
}

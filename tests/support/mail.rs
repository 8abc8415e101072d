//! A mail agent that appends what it is given to a file.

use crate::lab::write_script;
use std::fs;
use std::path::Path;

/// Makes the agent, a `sendmail`.
pub fn agent(sendmail: &Path, spool: &Path) {
    write_script(sendmail, &format!("cat >>{}", spool.display()));
}

/// All mail so far.
pub fn read(spool: &Path) -> String {
    fs::read_to_string(spool).unwrap_or_default()
}

/// All mail since this was last called.
pub fn take(spool: &Path) -> String {
    let text = read(spool);
    let _ = fs::remove_file(spool);
    text
}

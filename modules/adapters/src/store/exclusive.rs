//! Whether anybody but us can still change what a generation holds.
//!
//! A lock that is held by whoever writes proves nothing about somebody who closed it and kept a file open. The kernel
//! knows: it grants a read lease on a file only while nobody has it open for writing.

use super::{Result, StoreError, StreamStore, names, read};
use crate::sys;
use crate::there;
use backup_core::GenerationId;
use backup_core::manifest::PATCHES;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

/// What was found out about the files of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusive {
    /// Nobody has any of them open for writing, and none has a second name.
    Yes,
    /// None has a second name; who has them open, the file system cannot tell.
    Unknown,
    /// Somebody has this one open for writing, or mapped so.
    Open(String),
    /// This one has further names, by which it can be written.
    Linked(String),
}

impl StreamStore {
    /// Looks at every file of a generation, sealed or not, whatever its contents. It has to lie where nobody can open it
    /// anew: the answer is about descriptors that are open already.
    ///
    /// # Errors
    /// [`StoreError::Read`]. What is no regular file is not looked at: re-reading the generation finds it.
    pub fn exclusive(&self, id: GenerationId) -> Result<Exclusive> {
        let generation = self.dir().generation(id);
        let mut answer = Exclusive::Yes;
        for (folder, prefix) in [(generation.clone(), ""), (generation.join(PATCHES), "patches/")] {
            for (name, is_dir) in names(&folder)? {
                let path = folder.join(&name);
                if is_dir || !there::is_file(&path)? {
                    continue;
                }
                let failed = |source| StoreError::Read { path: path.clone(), source };
                let file = read::open(&path).map_err(failed)?;
                if file.metadata().map_err(failed)?.nlink() > 1 {
                    return Ok(Exclusive::Linked(format!("{prefix}{name}")));
                }
                match sys::try_read_lease(file.as_fd()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        return Ok(Exclusive::Open(format!("{prefix}{name}")));
                    }
                    // No leases here, or none for us.
                    Err(_) => answer = Exclusive::Unknown,
                }
            }
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::StreamName;
    use backup_core::layout::StreamDir;
    use std::fs;
    use std::process::{Command, Stdio};

    /// In a folder of this file system.
    fn found(file: &str, room: &std::path::Path, script: &str) -> Exclusive {
        let store = StreamStore::open(StreamDir::new(room, "shop", StreamName::Data));
        let id = "20261120T020000Z".parse().unwrap();
        let generation = store.dir().generation(id);
        fs::create_dir_all(generation.join(PATCHES)).unwrap();
        fs::write(generation.join(file), "x").unwrap();
        // A process that holds whatever the script opens, until its standard input ends.
        let mut holder = Command::new("sh")
            .args(["-euc", &format!("{script}\necho ready; read -r end || true")])
            .current_dir(&generation)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let answer = store.exclusive(id).unwrap();
        drop(holder.stdin.take());
        assert!(holder.wait().unwrap().success());
        answer
    }

    #[test]
    fn whoever_can_still_write_is_found() {
        for shelf in ["/tmp", "/dev/shm"] {
            let found = |file: &str, script: &str| {
                let room = tempfile::tempdir_in(shelf).unwrap();
                found(file, room.path(), script)
            };
            assert_eq!(found("data.tar.zst", ""), Exclusive::Yes);
            assert_eq!(found("data.tar.zst", "exec 9< data.tar.zst"), Exclusive::Yes, "reading harms nobody");
            assert_eq!(found("data.tar.zst", "exec 9>> data.tar.zst"), Exclusive::Open("data.tar.zst".into()));
            assert_eq!(found("patches/1.zst", "exec 9<> patches/1.zst"), Exclusive::Open("patches/1.zst".into()));
            assert_eq!(found("data.tar.zst", "ln data.tar.zst ../name"), Exclusive::Linked("data.tar.zst".into()));
            assert_eq!(found("data.tar.zst", "mkfifo pipe; ln -s data.tar.zst link"), Exclusive::Yes);
        }
    }

    #[test]
    fn a_mapping_outlives_its_descriptor() {
        let room = tempfile::tempdir().unwrap();
        let map = "exec python3 -c 'import mmap,sys\nf=open(\"data.tar.zst\",\"r+b\")\nm=mmap.mmap(f.fileno(),1)\nf.close()\nprint(\"ready\",flush=True)\nsys.stdin.read()'";
        assert_eq!(found("data.tar.zst", room.path(), map), Exclusive::Open("data.tar.zst".into()));
    }
}

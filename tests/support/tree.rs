//! A small tree to back up, its next version, and copies of it.

use crate::executables::sh;
use crate::lab::Lab;
use std::path::{Path, PathBuf};

/// Fills an empty folder with something of everything that is usual.
pub fn fill(srv: &Path) {
    sh(&format!(
        "cd {}; mkdir -p orders/2026 cache empty; seq 1 20000 > orders/2026/list; seq 1 300 > orders/one; echo a > mode; chmod 4755 mode\n\
         echo b > owner; chown 1234:4321 owner; chmod 600 owner; ln -s orders/one link; ln -s /nowhere dangling; ln owner hard\n\
         setfattr -n user.colour -v red orders/one; setfacl -m u:77:rw orders/one; setfacl -d -m g:88:rx orders\n\
         head -c 9000000 /dev/urandom > blob; truncate -s 50M sparse; printf x | dd of=sparse bs=1 seek=30000000 conv=notrunc status=none\n\
         touch -d '2001-02-03 04:05:06.789012345' orders/2026/list; touch -d 2002-01-01 orders/2026",
        srv.display()
    ));
}

/// Changes what [`fill`] made: contents, owners, modes, kinds.
pub fn change(srv: &Path) {
    sh(&format!(
        "cd {}; echo more >> orders/2026/list; rm orders/one; rm -r cache; mkdir new; echo n > new/file; chmod 640 mode\n\
         rm link; mkdir link; echo was a link > link/inside; rmdir empty; echo was a directory > empty; chown 5:6 blob",
        srv.display()
    ));
}

/// A copy to compare with. `cp -a` keeps all that the oracles look at.
pub fn reference(lab: &Lab, name: &str) -> PathBuf {
    let copy = lab.at(name);
    sh(&format!("cp -a --sparse=always {} {}", lab.srv().display(), copy.display()));
    copy
}

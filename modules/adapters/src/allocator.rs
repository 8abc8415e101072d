//! The allocator of the executables, mimalloc.

use crate::sys;
use std::time::Duration;

/// How long freed memory is kept for who wants it next. mimalloc's own second keeps all buffers of a second: in a full of
/// 100,000 files 100 MiB that nobody uses, and not a hundredth of the time is won by it.
const KEPT: Duration = Duration::from_millis(10);

/// Has the allocator give back to the system soon what is freed. Call it once, early in `main`.
pub fn give_back_soon() {
    sys::set_purge_delay(KEPT);
}

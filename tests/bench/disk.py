"""An empty file system for each restore.

On one from which as many files were just deleted, ext4 first looks for inodes that were not (`recently_deleted`, up to five
minutes long): what comes second would pay for what came first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import run


@contextmanager
def empty(image: Path, size: int) -> Iterator[Path]:
    """A new ext4 of `size` bytes in a sparse file, mounted beside it."""
    point = image.with_suffix(".mounted")
    point.mkdir(exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size)
    # Nothing is left to be done in the background.
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)])
    run(["mount", "-o", "loop", str(image), str(point)])
    try:
        target = point / "target"
        target.mkdir()
        yield target
    finally:
        run(["umount", str(point)])
        image.unlink()
        point.rmdir()

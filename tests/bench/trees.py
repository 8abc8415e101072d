"""Trees to back up, the same in every run: all that is random comes from a seed.

What a file holds is either unique (media) or cut from a pool in pieces that are shorter than the chunks in which peers look for
what they have already, and too far apart for a compressor's window: nobody finds more in them than in real files of their kind.
"""

import os
import random
import sqlite3
from pathlib import Path

MB = 1_000_000
POOL = 48 << 20


class Contents:
    """Bytes of three kinds: text (zstd -3 makes a third of it), binaries (about half), media (nothing)."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.text = self._text()
        self.binary = self._binary()

    def _text(self) -> bytes:
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        weights = [1 / (n + 2) for n in range(26)]
        words = [
            "".join(self.random.choices(letters, weights, k=self.random.randint(2, 11))) for _ in range(20_000)
        ]
        frequency = [1 / (n + 5) for n in range(len(words))]
        parts, length = [], 0
        while length < POOL:
            line = " ".join(self.random.choices(words, frequency, k=4_000)).replace(" th", "\n th")
            parts.append(line)
            length += len(line)
        return "".join(parts).encode()

    def _binary(self) -> bytes:
        # Records as programs write them: some fields count, some repeat, some are anything.
        noise = self.random.randbytes(POOL // 2)
        records = bytearray(POOL)
        half = POOL // 16
        for column in range(8):
            records[column::16] = noise[column * half : (column + 1) * half]
        for column in range(8, 16):
            value = self.random.randrange(256)
            records[column::16] = bytes([value]) * half
        return bytes(records)

    def pieces(self, pool: bytes, size: int) -> bytes:
        """`size` bytes, cut from the pool in pieces of at most 12 KiB."""
        parts = []
        while size > 0:
            length = min(size, self.random.randint(3_000, 12_000))
            begin = self.random.randrange(len(pool) - length)
            parts.append(pool[begin : begin + length])
            size -= length
        return b"".join(parts)

    def file(self, size: int) -> bytes:
        """The contents of a file: mostly text, some binaries, some media."""
        kind = self.random.random()
        if kind < 0.55:
            return self.pieces(self.text, size)
        if kind < 0.75:
            return self.pieces(self.binary, size)
        return self.random.randbytes(size)


class Tree:
    """Files in folders, and how some of them change."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.contents = Contents(seed)
        self.random = random.Random(seed + 1)
        self.folders: list[list[Path]] = []

    def make(self, folders: int, each: int, size) -> None:
        """`folders` with `each` files; `size` draws a file's size."""
        for number in range(folders):
            folder = self.root / f"area-{number % 40:02}" / f"unit-{number // 40:04}"
            folder.mkdir(parents=True)
            files = []
            for count in range(each):
                path = folder / f"item-{number:04}-{count:03}.dat"
                path.write_bytes(self.contents.file(size(self.random)))
                files.append(path)
            self.folders.append(files)

    def paths(self) -> list[Path]:
        """All files."""
        return [path for folder in self.folders for path in folder]

    def scattered(self, share: float) -> list[Path]:
        """Changes this share of the files, anywhere."""
        paths = self.paths()
        return self.rewrite(self.random.sample(paths, round(len(paths) * share)))

    def clustered(self, share: float) -> list[Path]:
        """Changes all files of this share of the folders."""
        folders = self.random.sample(self.folders, max(1, round(len(self.folders) * share)))
        return self.rewrite([path for folder in folders for path in folder])

    def rewrite(self, paths: list[Path]) -> list[Path]:
        """Gives these files other contents of the same sizes."""
        for path in paths:
            path.write_bytes(self.contents.file(path.stat().st_size))
        return paths


def mixed(root: Path, files: int, total: int, seed: int = 1) -> Tree:
    """Case a: few large files, many small ones, as home and web directories have them."""
    tree = Tree(root, seed)
    mean = total / files
    # Log-normal with this mean, cut off above: half of the bytes are in a twentieth of the files.
    tree.make(files // 100, 100, lambda draw: min(int(draw.lognormvariate(0, 1.6) * mean / 3.6), 8 * MB))
    return tree


def small(root: Path, files: int, seed: int = 2) -> Tree:
    """Case b: files of 0 to 16 KiB, the smaller the more."""
    tree = Tree(root, seed)
    tree.make(files // 200, 200, lambda draw: int(16 * 1024 * draw.random() ** 3))
    return tree


class Large:
    """Case c: one file that is written in place, as disk images are."""

    PAGE = 4096

    def __init__(self, path: Path, size: int, seed: int = 3) -> None:
        self.path = path
        self.size = size
        self.contents = Contents(seed)
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            left = size
            while left:
                length = min(left, 4 << 20)
                file.write(self.contents.file(length))
                left -= length

    def extents(self, count: int = 30, share: float = 0.01) -> None:
        """Writes this share of the file again, in so many extents, which are the same ones each time."""
        length = int(self.size * share / count)
        slot = self.size // count
        draw = random.Random(count)
        for number in range(count):
            self._write(number * slot + draw.randrange(slot - length), self.contents.file(length))

    def pages(self, share: float = 0.01) -> None:
        """Writes this share of the file again, in pages anywhere, which are the same ones each time."""
        draw = random.Random(self.PAGE)
        for page in draw.sample(range(self.size // self.PAGE), int(self.size * share / self.PAGE)):
            self._write(page * self.PAGE, self.contents.file(self.PAGE))

    def _write(self, at: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(at)
            file.write(data)


class Application:
    """Case d: what a real application writes: databases of SQLite, one per customer, and logs that it appends to."""

    def __init__(self, root: Path, customers: int, rows: int, seed: int = 4) -> None:
        self.root = root
        self.contents = Contents(seed)
        self.random = random.Random(seed + 1)
        self.customers = customers
        self.days = 30
        (root / "db").mkdir(parents=True)
        (root / "log").mkdir()
        for customer in range(customers):
            with self._open(customer) as database:
                database.execute("create table entry (id integer primary key, at integer, kind text, body blob)")
                database.execute("create index entry_kind on entry (kind, at)")
                database.executemany("insert into entry (at, kind, body) values (?, ?, ?)", self._rows(rows))
        for day in range(self.days):
            (root / "log" / f"app-{day:02}.log").write_bytes(self.contents.pieces(self.contents.text, 8 * MB))

    def _open(self, customer: int) -> sqlite3.Connection:
        return sqlite3.connect(self.root / "db" / f"customer-{customer:03}.sqlite", isolation_level="DEFERRED")

    def _rows(self, count: int):
        for number in range(count):
            kind = f"kind-{self.random.randrange(50)}"
            yield (1_700_000_000 + number, kind, self.contents.file(self.random.randint(100, 1_500)))

    def paths(self) -> list[Path]:
        """All files."""
        return [path for path in self.root.rglob("*") if path.is_file()]

    def work(self, share: float = 0.01) -> None:
        """Some customers come, always the same ones, and change and add rows; the application writes its log of today."""
        for customer in range(max(1, round(self.customers * share))):
            with self._open(customer) as database:
                database.execute("update entry set kind = 'seen' where id % 10 = 0")
                database.executemany("insert into entry (at, kind, body) values (?, ?, ?)", self._rows(200))
        with (self.root / "log" / f"app-{self.days - 1:02}.log").open("ab") as log:
            log.write(self.contents.pieces(self.contents.text, MB))


def bytes_of(paths) -> int:
    """Plain bytes of these files."""
    return sum(os.lstat(path).st_size for path in paths)

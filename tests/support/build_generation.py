"""Makes a generation (docs/format.md) with foreign tools only: GNU tar, zstd, gzip and this interpreter's library.

The oracle of restore's tests: it shares no code with what it tests. Slow and simple on purpose.

    build_generation.py <store> <job> <stream> <id> [--base <id>] [--large-file <bytes>] [--dump <name>.<extension>[.gz]=<file>]... <root>...
"""

import argparse
import base64
import bisect
import grp
import hashlib
import io
import json
import os
import pwd
import stat
import subprocess
import tarfile
from pathlib import Path

BLOCK = 65536
FRAME = 1 << 20
TAR = [
    "tar", "-C", "/", "--format=pax", "--pax-option=delete=atime,delete=ctime", "--xattrs", "--xattrs-include=*",
    "--acls", "--sparse", "--sparse-version=1.0", "--numeric-owner", "--no-recursion", "--null",
    "--verbatim-files-from", "-T", "-", "-cf", "-",
]


def zstd(plain):
    return subprocess.run(["zstd", "-qc", "--check", f"--stream-size={len(plain)}"], input=plain, stdout=-1, check=True).stdout


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def text(key, value):
    try:
        return {key: value.decode()}
    except UnicodeDecodeError:
        return {key + "_b64": base64.b64encode(value).decode()}


def walk(root):
    """All paths from `root` on in the order of the format, as bytes without the leading slash."""
    yield root[1:]
    if stat.S_ISDIR(os.lstat(root).st_mode):
        for name in sorted(os.listdir(root)):
            yield from walk(root + b"/" + name)


def describe(path, links):
    """The catalog's entry of one path, without its place in the archive; `None` for a socket."""
    full = b"/" + path
    info = os.lstat(full)
    kinds = {
        stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink",
        stat.S_IFIFO: "fifo", stat.S_IFCHR: "character", stat.S_IFBLK: "block",
    }
    kind = kinds.get(stat.S_IFMT(info.st_mode))
    if kind is None:
        return None
    entry = text("path", path)
    entry |= {"type": kind, "mode": stat.S_IMODE(info.st_mode), "uid": info.st_uid, "gid": info.st_gid}
    for key, find, number in (("user", pwd.getpwuid, info.st_uid), ("group", grp.getgrgid, info.st_gid)):
        try:
            entry[key] = find(number)[0]
        except KeyError:
            pass
    entry["mtime"] = [info.st_mtime_ns // 10**9, info.st_mtime_ns % 10**9]
    names = os.listxattr(full, follow_symlinks=False)
    entry["xattrs"] = {n: base64.b64encode(os.getxattr(full, n, follow_symlinks=False)).decode() for n in sorted(names)}
    if kind == "symlink":
        entry |= text("target", os.readlink(full))
    elif kind in ("character", "block"):
        entry["device"] = [os.major(info.st_rdev), os.minor(info.st_rdev)]
    elif kind == "file":
        first = links.setdefault((info.st_dev, info.st_ino), path)
        if first != path:
            entry["type"] = "hardlink"
            entry["xattrs"] = {}
            entry |= text("target", first)
        else:
            entry["size"] = info.st_size
            digest = hashlib.sha256()
            with open(full, "rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
            entry["sha256"] = digest.hexdigest()
    return entry


def path_of(entry, key="path"):
    return entry[key].encode() if key in entry else base64.b64decode(entry[key + "_b64"])


def read_catalog(directory):
    plain = subprocess.run(["zstd", "-dqc", directory / "catalog.jsonl.zst"], stdout=-1, check=True).stdout
    return {path_of(entry): entry for entry in map(json.loads, plain.splitlines())}


def blocks(data):
    return [hashlib.sha256(data[at : at + BLOCK]).digest()[:16] for at in range(0, len(data), BLOCK)]


class Generation:
    def __init__(self, directory):
        self.directory, self.artifacts = directory, {}
        directory.mkdir(parents=True)

    def add(self, name, stored, plain):
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(stored)
        self.artifacts[name] = {"bytes": len(stored), "plain_bytes": len(plain), "plain_sha256": sha256(plain)}

    def patch(self, number, entry, old_blocks):
        """A large file as its changed blocks; False if they are not smaller than the file."""
        data = Path(os.fsdecode(b"/" + path_of(entry))).read_bytes()
        changed = [i for i, digest in enumerate(blocks(data)) if i >= len(old_blocks) or digest != old_blocks[i]]
        plain = b"".join(data[i * BLOCK : (i + 1) * BLOCK] for i in changed)
        if len(plain) >= len(data):
            return False
        escaped = "".join(chr(c) if chr(c).isascii() and (chr(c).isalnum() or chr(c) in "/._-") else f"\\0{c:03o}" for c in path_of(entry))
        lines = [f"path {escaped}", f"size {len(data)}", "mtime %d.%09d" % tuple(entry["mtime"]), f"sha256 {entry['sha256']}"]
        runs = []
        for i in changed:
            offset, length = i * BLOCK, min(BLOCK, len(data) - i * BLOCK)
            if runs and sum(runs[-1]) == offset:
                runs[-1] = (runs[-1][0], runs[-1][1] + length)
            else:
                runs.append((offset, length))
        parts = "".join(line + "\n" for line in lines + ["%d %d" % run for run in runs]).encode()
        self.add(f"patches/{number}.zst", zstd(plain), plain)
        self.add(f"patches/{number}.parts", parts, parts)
        return True

    def seal(self, manifest):
        manifest["artifacts"] = dict(sorted(self.artifacts.items()))
        (self.directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        lines = [f"{sha256((self.directory / name).read_bytes())}  {name}\n" for name in sorted([*self.artifacts, "manifest.json"])]
        (self.directory / "SHA256SUMS").write_text("".join(lines))


def frames(plain):
    """Cuts a tar stream into frames as the format does, by and large: whole members, or runs of a large one. Returns the
    compressed frames, and for each member in order the offset of its frame and its own within that frame."""
    starts = [member.offset for member in tarfile.open(fileobj=io.BytesIO(plain), mode="r:")]
    cuts, open_at = [], 0
    for start, end in zip(starts, starts[1:] + [len(plain)]):
        if start > open_at and end - open_at > FRAME:
            open_at = start
        if start == open_at:
            cuts.append(start)
        if end - start > FRAME:
            cuts += range(start + FRAME, end, FRAME)
            open_at = end
    cuts = sorted({0, *cuts})
    stored, offsets = [], {}
    for begin, end in zip(cuts, cuts[1:] + [len(plain)]):
        offsets[begin] = sum(map(len, stored))
        stored.append(zstd(plain[begin:end]))
    places = []
    for start in starts:
        frame = cuts[bisect.bisect_right(cuts, start) - 1]
        places.append([offsets[frame], start - frame])
    return b"".join(stored), places


def differs(entry, old):
    return entry != {k: v for k, v in old.items() if k not in ("at", "blocks")}


def main():
    parser = argparse.ArgumentParser()
    for name in ("store", "job", "stream", "id"):
        parser.add_argument(name)
    parser.add_argument("--base")
    parser.add_argument("--large-file", type=int, default=64 << 20)
    parser.add_argument("--dump", action="append", default=[])
    parser.add_argument("roots", nargs="*")
    args = parser.parse_intermixed_args()

    stream = Path(args.store) / args.job / args.stream
    generation = Generation(stream / args.id)
    links, entries, sockets = {}, {}, 0
    for root in sorted(map(os.fsencode, args.roots), key=lambda root: root.split(b"/")):
        for path in walk(root):
            entry = describe(path, links)
            sockets += entry is None
            if entry:
                entries[path] = entry
    tree = {"paths": len(entries), "bytes": sum(e.get("size", 0) for e in entries.values())}

    counts = {"deleted": 0, "patched": 0}
    stored, base = dict(entries), None
    if args.base:
        before = read_catalog(stream / args.base)
        base = {"id": args.base, "digest": sha256((stream / args.base / "SHA256SUMS").read_bytes())}
        changed = {p for p, e in entries.items() if p not in before or differs(e, before[p])}
        # All of a hard link set, before or after, or none.
        sets = {}
        for catalog in (before, entries):
            for path, entry in catalog.items():
                sets.setdefault(path_of(entry, "target") if entry["type"] == "hardlink" else path, set()).add(path)
        touched = [s for s in sets.values() if len(s) > 1 and any(p in changed or p not in entries or p not in before for p in s)]
        changed |= {p for s in touched for p in s if p in entries}
        # Extracting a member touches the directory that it is in.
        changed |= {parent for p in changed if (parent := p.rpartition(b"/")[0]) in entries}
        gone = [p for p, e in before.items() if p not in entries or (entries[p]["type"] != e["type"] and "hardlink" not in (e["type"], entries[p]["type"]))]
        top = [p for p in gone if not any(p.startswith(other + b"/") for other in gone)]
        plain = b"".join(p + b"\0" for p in top)
        generation.add("deleted.list", plain, plain)
        counts["deleted"] = len(top)
        for path in sorted(changed, key=lambda path: path.split(b"/")):
            entry, old = entries[path], before.get(path)
            same = old and all(entry[k] == old[k] for k in ("type", "mode", "uid", "gid", "xattrs"))
            if same and entry["type"] == "file" and "blocks" in old and not any(path in s for s in touched):
                old_blocks = base64.b64decode(old["blocks"])
                if generation.patch(counts["patched"] + 1, entry, [old_blocks[i : i + 16] for i in range(0, len(old_blocks), 16)]):
                    counts["patched"] += 1
                    entry["patch"] = counts["patched"]
        stored = {p: entries[p] for p in entries if p in changed}

    if args.roots:
        names = b"".join(p + b"\0" for p, e in stored.items() if "patch" not in e)
        plain = subprocess.run(TAR, input=names, stdout=-1, check=True).stdout
        data, places = frames(plain)
        generation.add("data.tar.zst", data, plain)
        members = [entry for entry in stored.values() if "patch" not in entry]
        assert len(members) == len(places), (len(members), len(places))
        for entry, place in zip(members, places):
            entry["at"] = place
    for dump in args.dump:
        name, file = dump.split("=")
        plain = Path(file).read_bytes()
        tree["bytes"] += len(plain)
        if name.endswith(".gz"):
            generation.add(f"dump-{name}", subprocess.run(["gzip", "-c"], input=plain, stdout=-1, check=True).stdout, plain)
        else:
            generation.add(f"dump-{name}.zst", zstd(plain), plain)
    for path, entry in stored.items():
        if not args.base and entry.get("size", 0) >= args.large_file:
            data = Path(os.fsdecode(b"/" + path)).read_bytes()
            entry["blocks"] = base64.b64encode(b"".join(blocks(data))).decode()
    catalog = "".join(json.dumps(e, ensure_ascii=False) + "\n" for e in stored.values()).encode()
    generation.add("catalog.jsonl.zst", zstd(catalog), catalog)

    kinds = [e["type"] for e in stored.values()]
    counts |= {"files": kinds.count("file"), "directories": kinds.count("directory"), "symlinks": kinds.count("symlink")}
    counts |= {"hardlinks": kinds.count("hardlink"), "specials": sum(map(kinds.count, ("fifo", "character", "block")))}
    counts |= {"sockets_skipped": sockets, "unreadable_skipped": 0}
    time = f"{args.id[:4]}-{args.id[4:6]}-{args.id[6:8]}T{args.id[9:11]}:{args.id[11:13]}:{args.id[13:15]}Z"
    generation.seal({
        "format": 1, "tool": "foreign", "source": "web1", "job": args.job, "stream": args.stream, "id": args.id,
        "instance": "0123456789abcdef" * 2, "kind": "incremental" if base else "full", "base": base, "label": None,
        "started_at": time, "finished_at": time, "quiet": None, "roots": args.roots, "tree": tree, "counts": counts,
        "artifacts": {}, "large_file": args.large_file, "block": BLOCK, "warnings": [],
    })


if __name__ == "__main__":
    main()

"""Makes generations that no honest source makes, sealed as if they were: the input of restore's refusals.

    build_hostile.py <store> <root> <outside> <case>

<root> is the include path that the manifest names, <outside> a directory that must stay as it is. Full and incremental
have the ids of restore's tests.
"""

import io
import json
import sys
import tarfile
from pathlib import Path

from build_generation import Generation, sha256, zstd

FULL, INCREMENTAL = "20261120T220000Z", "20261121T220000Z"
store, root, outside, case = sys.argv[1:]
top = root.strip("/")
base = Path(store) / "shop" / "data"


def entry(path, kind, **more):
    common = {"path": path, "type": kind, "mode": 0o755, "uid": 0, "gid": 0, "mtime": [1, 0], "at": [0, 0]}
    return {**common, **more}


def file(path, data=b"evil"):
    return entry(path, "file", size=len(data), sha256=sha256(data)), data


def directory(path):
    return entry(path, "directory"), b""


def symlink(path, target):
    return entry(path, "symlink", target=target), b""


def hardlink(path, target):
    return entry(path, "hardlink", target=target), b""


def tar(members, header=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, data in members:
            info = tarfile.TarInfo(member["path"])
            info.mode, info.mtime, info.size = member["mode"], 1, len(data)
            info.pax_headers = dict(member.pop("pax", {}))
            info.type = {"file": b"0", "directory": b"5", "symlink": b"2", "hardlink": b"1"}[member["type"]]
            info.linkname = member.get("target", "")
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def generation(id, members, listed=None, of=None, deleted=None, plain=None, patch=None, frame=None, dump=None):
    made = Generation(base / id)
    plain = tar(members) if plain is None else plain
    made.add("data.tar.zst", zstd(plain) if frame is None else frame, plain)
    if deleted is not None:
        made.add("deleted.list", deleted, deleted)
    listed = [member for member, _ in members] if listed is None else listed
    if patch is not None:
        data = b"evil"
        parts = f"path {patch}\nsize 4\nmtime 1.000000000\nsha256 {sha256(data)}\n0 4\n".encode()
        made.add("patches/1.zst", zstd(data), data)
        made.add("patches/1.parts", parts, parts)
    if dump is not None:
        made.add(f"{dump}.zst", zstd(b"evil"), b"evil")
    catalog = "".join(json.dumps(line) + "\n" for line in listed).encode()
    made.add("catalog.jsonl.zst", zstd(catalog), catalog)
    time = "2026-11-20T22:00:00Z"
    made.seal({
        "format": 1, "tool": "hostile", "source": "web1", "job": "shop", "stream": "data", "id": id,
        "instance": "0123456789abcdef" * 2, "kind": "incremental" if of else "full",
        "base": of and {"id": of, "digest": sha256((base / of / "SHA256SUMS").read_bytes())}, "label": None,
        "started_at": time, "finished_at": time, "quiet": None, "roots": [root], "tree": {"paths": 1, "bytes": 1},
        "counts": {}, "artifacts": {}, "large_file": 1, "block": 65536, "warnings": [],
    })


dir, out = directory(top), outside.strip("/")
if case == "absolute":
    generation(FULL, [dir, file(f"{outside}/evil")])
elif case == "dotdot":
    up = "/".join([".."] * (len(top.split("/"))))
    generation(FULL, [dir, file(f"{top}/{up}/{out}/evil")])
elif case == "another-root":
    generation(FULL, [file(f"{out}/evil"), dir])
elif case == "through-symlink":
    generation(FULL, [dir, symlink(f"{top}/l", outside), file(f"{top}/l/evil")])
elif case == "symlink-as-root":
    generation(FULL, [symlink(top, outside), file(f"{top}/evil")])
elif case == "hardlink-outside":
    generation(FULL, [dir, hardlink(f"{top}/h", f"{out}/canary")])
elif case == "hardlink-dotdot":
    up = "/".join([".."] * (len(top.split("/"))))
    generation(FULL, [dir, hardlink(f"{top}/h", f"{top}/{up}/{out}/canary")])
elif case == "hardlink-through-symlink":
    generation(FULL, [dir, symlink(f"{top}/a", outside), hardlink(f"{top}/h", f"{top}/a/canary")])
elif case == "not-what-is-listed":
    generation(FULL, [dir, file(f"{outside}/evil")], listed=[dir[0], file(f"{top}/good")[0]])
elif case == "more-than-is-listed":
    generation(FULL, [dir, file(f"{top}/x"), file(f"{top}/y")], listed=[dir[0], file(f"{top}/x")[0]])
elif case == "huge-size":
    member, _ = file(f"{top}/x")
    member["size"] = 1 << 62
    plain = tar([dir, ({**member, "pax": {"size": str(1 << 62)}}, b"evil")])
    generation(FULL, [], listed=[dir[0], member], plain=plain)
elif case == "huge-records":
    header = tarfile.TarInfo("x")
    header.type, header.size = b"x", 1 << 40
    generation(FULL, [], listed=[dir[0]], plain=header.tobuf(tarfile.GNU_FORMAT) + b"9" * 512)
elif case == "huge-frame":
    plain = b"\0" * (64 << 20)
    generation(FULL, [], listed=[dir[0]], plain=plain)
elif case == "huge-line":
    line = {**dir[0], "user": "x" * (65 << 20)}
    generation(FULL, [dir], listed=[line])
elif case == "too-long":
    path = f"{top}/" + "/".join(["d" * 200] * 21)
    generation(FULL, [dir, file(path)])
elif case == "dump-symlink":
    generation(FULL, [symlink("dump-x.sql", f"{outside}/evil"), dir], dump="dump-x.sql")
elif case == "marker-symlink":
    marker = symlink(".restore-incomplete/attributes", f"{outside}/canary")
    generation(FULL, [marker, dir, file(f"{top}/f", b"good")])
    member = {**file(f"{top}/f")[0], "patch": 1}
    del member["at"]
    generation(INCREMENTAL, [], listed=[member], of=FULL, deleted=b"", patch=f"{top}/f")
elif case.startswith("base-"):
    generation(FULL, [dir, file(f"{top}/f", b"good"), symlink(f"{top}/l", outside)])
    if case == "base-symlink":
        generation(INCREMENTAL, [file(f"{top}/l/evil")], of=FULL, deleted=b"")
    elif case == "base-hardlink":
        generation(INCREMENTAL, [hardlink(f'{top}/h " link to', f"{top}/l/canary")], of=FULL, deleted=b"")
    elif case == "base-hardlink-to-symlink":
        generation(INCREMENTAL, [hardlink(f"{top}/h", f"{top}/l"), file(f"{top}/h/d/evil")], of=FULL, deleted=b"")
    elif case == "base-symlink-to-symlink":
        generation(INCREMENTAL, [symlink(f"{top}/h", "l"), file(f"{top}/h/evil")], of=FULL, deleted=b"")
    elif case == "base-deleted-symlink":
        generation(INCREMENTAL, [dir], of=FULL, deleted=f"{top}/l/canary\0".encode())
    elif case == "base-deleted-dotdot":
        generation(INCREMENTAL, [dir], of=FULL, deleted=f"{top}/../../{out}/canary\0".encode())
    elif case == "base-deleted-absolute":
        generation(INCREMENTAL, [dir], of=FULL, deleted=f"{outside}/canary\0".encode())
    elif case == "base-patch-symlink":
        member = {**file(f"{top}/l/canary")[0], "patch": 1}
        del member["at"]
        generation(INCREMENTAL, [], listed=[member], of=FULL, deleted=b"", patch=f"{top}/l/canary")
    elif case == "base-patch-other":
        member = {**file(f"{top}/f")[0], "patch": 1}
        del member["at"]
        generation(INCREMENTAL, [], listed=[member], of=FULL, deleted=b"", patch=f"{out}/canary")
    else:
        sys.exit(f"unknown case {case}")
else:
    sys.exit(f"unknown case {case}")

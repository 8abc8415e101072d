#!/usr/bin/env python3
"""Measures Handover and its peers in one run. See README.md beside this file."""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import case_application
import case_history
import case_large
import case_mixed
import case_small
import peers
import report
from measure import Failed
from ours import Handover
from rounds import Clock
from scene import Scene
from table import Table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "target/bench"
GB = 1_000_000_000
CASES = ("a", "b", "c", "d", "h")


def main() -> int:
    """The command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("cases", nargs="*", default=list(CASES), help="some of a, b, c, d, h (default: all)")
    words.add_argument("--large", action="store_true", help="case c with a file of 20 GB instead of 4")
    words.add_argument("--scale", type=float, default=1, help="a share of all sizes, to try the benchmark itself")
    words.add_argument("--rounds", type=int, default=5, help="runs of which the median is taken (default: 5)")
    words.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md and its chart from the results")
    words.add_argument("--room", type=Path, default=None, help="where trees and copies lie (default: the system's temporary folder)")
    asked = words.parse_args()
    if os.geteuid() != 0:
        print("error: collecting, an sshd and an empty page cache need root: run `make bench` as root", file=sys.stderr)
        return 1
    unknown = set(asked.cases) - set(CASES)
    if unknown:
        words.error(f"unknown case {', '.join(sorted(unknown))}: known are {', '.join(CASES)}")
    # So that what was started ends with us, and what was written goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    size = 20 * GB if asked.large else 4 * GB
    with tempfile.TemporaryDirectory(prefix="handover-bench-", dir=asked.room) as folder:
        room = Path(folder)
        need = max(40 * GB, 4 * size) * asked.scale
        if shutil.disk_usage(room).free < need:
            print(f"error: {room} has no {need / GB:.0f} GB of room; name another place with --room", file=sys.stderr)
            return 1
        scene = Scene(room, ROOT / "libexec", asked.rounds, asked.scale, Clock(), Table())
        failed = measure(scene, asked.cases, size)
        facts = about(scene, asked)
    if failed:
        return 1
    report.remember(RESULTS / "facts.json", facts)
    scene.clock.say("done")
    print(report.summary(scene.table, facts))
    if asked.write_docs:
        report.document(scene.table, facts, ROOT / "docs")
    return 0


def measure(scene: Scene, cases: list[str], size: int) -> bool:
    """Runs the cases one after the other. One that fails is told, and does not keep the others from being measured."""
    works = {
        "a": lambda: case_mixed.measure(scene),
        "b": lambda: case_small.measure(scene),
        "c": lambda: case_large.measure(scene, size),
        "d": lambda: case_application.measure(scene),
        "h": lambda: case_history.measure(scene),
    }
    failures = 0
    for name, work in works.items():
        if name not in cases:
            continue
        try:
            work()
        except Failed as failed:
            print(f"error in case {name}: {failed}", file=sys.stderr)
            failures += 1
        finally:
            # An sshd of a case that was broken off; nothing else lives on.
            subprocess.run(["pkill", "-f", f"sshd -D -f {scene.room}"], check=False)
        scene.table.write(RESULTS / "results.json")
        for removal in [subprocess.Popen(["rm", "-rf", str(left)]) for left in scene.room.iterdir()]:
            if removal.wait() != 0:
                raise Failed(f"{removal.args} ended with {removal.returncode}")
    return failures > 0


def about(scene: Scene, asked: argparse.Namespace) -> dict:
    """The machine, the versions, what was left out."""
    memory = next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    models = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    versions = {kind.name: kind.version() for kind in peers.ALL if kind.version() is not None}
    return {
        "machine": {
            "processor": models[0] if models else platform.machine(),
            "processors": os.cpu_count(),
            "memory, GiB": round(int(memory) / 2**20),
            "kernel": platform.release(),
            "file system": subprocess.run(
                ["findmnt", "-no", "FSTYPE", "-T", scene.room], capture_output=True, text=True, check=True
            ).stdout.strip(),
        },
        "versions": {"handover": Handover(scene.room, scene.room, scene.libexec).version(), **versions},
        "missing": sorted(scene.missing),
        "scale": asked.scale,
        "rounds": asked.rounds,
        "large": asked.large,
        "minutes": round((time.monotonic() - scene.clock.began) / 60),
    }


if __name__ == "__main__":
    sys.exit(main())

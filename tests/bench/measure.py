"""What one run of a command costs, as the kernel counts it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


class Failed(Exception):
    """A command that is measured, or prepares a measurement, did not end well."""


@dataclass(frozen=True)
class Cost:
    """One run: seconds of wall clock and of processors, MiB of the largest process, bytes asked of files and pipes, bytes written
    to the disk; and what the run says of itself."""

    wall: float
    cpu: float
    rss: float
    read: int
    written: int
    told: dict[str, float] = field(default_factory=dict)


# Before there is anything to remember: see there.
_LAUNCHER = subprocess.Popen(
    [sys.executable, "-S", str(Path(__file__).with_name("launcher.py"))],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
)


def run(command: list[str], env: dict[str, str] | None = None, directory: Path | None = None) -> tuple[Cost, str]:
    """Runs a command to its end: its cost, with all its children, and its standard output."""
    asked = {"command": command, "env": env or {}, "directory": str(directory) if directory else None}
    _LAUNCHER.stdin.write(json.dumps(asked) + "\n")
    _LAUNCHER.stdin.flush()
    told = json.loads(_LAUNCHER.stdout.readline())
    if told["code"] != 0:
        said = (told["errors"] or told["output"])[-2_000:]
        raise Failed(f"{' '.join(command)}\nended with {told['code']}: {said}")
    return Cost(told["wall"], told["cpu"], told["rss"], told["read"], told["written"]), told["output"]


def shell(script: str, directory: Path | None = None, env: dict[str, str] | None = None) -> Cost:
    """Runs a pipeline; each of its parts has to end well."""
    return run(["bash", "-euo", "pipefail", "-c", script], env, directory)[0]


def settle() -> None:
    """Nothing of an earlier run is still to be written."""
    os.sync()


def warm(paths: Iterable[Path]) -> None:
    """These files are in the page cache."""
    names = "\0".join(map(str, paths)).encode()
    subprocess.run(["xargs", "-0", "-n", "500", "cat"], input=names, stdout=subprocess.DEVNULL, check=True)


def forget() -> None:
    """Nothing is in the page cache."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def middle(costs: list[Cost]) -> Cost:
    """The median of each figure; of memory the most."""
    told = {name: median(cost.told[name] for cost in costs) for name in costs[0].told}
    return Cost(
        median(cost.wall for cost in costs),
        median(cost.cpu for cost in costs),
        max(cost.rss for cost in costs),
        round(median(cost.read for cost in costs)),
        round(median(cost.written for cost in costs)),
        told,
    )

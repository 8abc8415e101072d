"""What all cases share: where they play, how often, and the comparisons that several of them make."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import trees
from measure import Cost, Failed, forget, middle, shell
from ours import Handover
from peers import Peer, TarZstd
from rounds import Clock
from table import Table

# Bounds of the largest process, in MiB, whatever is collected or restored.
MEMORY = 200


@dataclass
class Scene:
    """A run of the benchmarks."""

    room: Path
    libexec: Path
    rounds: int
    scale: float
    clock: Clock
    table: Table
    missing: set[str] = field(default_factory=set)

    @property
    def few(self) -> int:
        """Rounds where one takes minutes."""
        return min(self.rounds, 3)

    def scaled(self, count: int) -> int:
        """A count of a whole run, in a smaller one."""
        return max(1, round(count * self.scale))

    def handover(self, tree: Path) -> Handover:
        """Ours."""
        return Handover(tree, self.room, self.libexec)

    def peers(self, tree: Path, *kinds: type[Peer]) -> dict[str, Peer]:
        """Those of the peers that are here, by name."""
        here = [kind for kind in kinds if kind.version() is not None]
        self.missing.update(kind.name for kind in kinds if kind not in here)
        return {kind.name: kind(tree, self.room) for kind in here}

    def carry(self, ours: Handover) -> None:
        """Brings the full that was collected last to the sink: it is the base of what comes then."""
        ours.transport()

    def memory(self, case: str, own: Cost) -> None:
        """Holds the largest process against the bound."""
        self.table.add(case, f"{MEMORY} MiB", "peak memory, MiB", own.rss, MEMORY, 1)

    def downtime(
        self, case: str, ours: Handover, tree: Path, changed: list[Path], contents: trees.Contents, whole: Cost
    ) -> None:
        """How long an application stands still while nothing changes, and while `changed` was written during the first pass.
        `whole`: tar and zstd of the tree."""
        self.clock.say(f"{case}: the application stands still")
        walk = middle([shell(f"find {tree} -printf '%s %T@ %C@ %i\\n' > /dev/null") for _ in range(self.rounds)])
        running, after = self.room / "running", self.room / "after"
        running.touch()
        ours.declare(
            services=[
                {
                    "name": "app",
                    "status": ["sh", "-c", f"test -e {running}"],
                    # What it writes before it is off was not there in the first pass.
                    "stop": ["sh", "-c", f"[ ! -e {after} ] || cp -rT {after} {tree}; rm {running}"],
                    "start": ["touch", str(running)],
                }
            ]
        )
        still = [ours.again().told["downtime"] for _ in range(self.rounds)]
        moving = []
        for _ in range(self.rounds):
            for path in changed:
                copy = after / path.relative_to(tree)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(contents.file(path.stat().st_size))
            moving.append(ours.again().told["downtime"])
            shutil.rmtree(after)
        ours.declare(services=[])
        self.table.add(f"{case}, downtime, nothing changed", "find", "wall, s", median(still), walk.wall, 2)
        self.table.add(f"{case}, downtime, 1 % changed", TarZstd.name, "wall, s", median(moving), whole.wall, 0.05)

    def digests(self, case: str, ours: Handover) -> None:
        """Reads what the sink has again, from the medium."""
        self.clock.say(f"{case}: digests, nothing in the page cache")
        store = ours.room / "sink/home/store/here/bench/data"
        # A few would take all the longer, and show the same.
        ours.at_sink("rotate", "run")
        ours.stop_at_sink()
        own, theirs = [], []
        for _ in range(self.few):
            # What was read within the last second is not read again.
            time.sleep(1.1)
            forget()
            cost, answer = ours.reread()
            if len(answer) != len(list(store.glob("2*Z"))):
                raise Failed(f"not everything was read again: {answer}")
            own.append(cost)
            forget()
            theirs.append(shell(f"find {store} -type f -print0 | xargs -0 -n 1 -P {os.cpu_count()} sha256sum > /dev/null"))
        # As throughput: more is better.
        self.table.add(
            f"{case}, digests, cold", "sha256sum, all cores", "throughput", 1 / middle(own).wall, 1 / middle(theirs).wall, 0.9, at_least=True
        )

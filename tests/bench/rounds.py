"""Runs of ours and of the peers, in turn."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from measure import Cost, middle, settle, warm
from peers import Borg

Runs = dict[str, Callable[[], Cost]]


def interleaved(
    rounds: int, runs: Runs, before: Callable[[], None] = lambda: None, reads: Iterable[Path] = ()
) -> dict[str, Cost]:
    """Each run once per round, every round beginning with another one; the medians. `before` each round something may change.
    What they read is in the page cache for each: borg drops what it has read, and whoever came next would read the medium."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    names = list(runs)
    is_warm = False
    for number in range(rounds):
        before()
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            if not is_warm:
                warm(reads)
            settle()
            cost = runs[name]()
            is_warm = name != Borg.name
            costs[name].append(cost)
            print(f"      round {number + 1}: {name:<24} {cost.wall:7.2f} s wall {cost.cpu:7.2f} s CPU {cost.rss:6.0f} MiB", flush=True)
    return {name: middle(of_name) for name, of_name in costs.items()}


def first_copies(tools) -> Runs:
    """Runs in which each tool forgets all copies, and copies its tree for the first time."""

    def first(tool) -> Cost:
        tool.fresh()
        # What was forgotten is gone from the disk, too.
        settle()
        return tool.full()

    return {tool.name: (lambda tool=tool: first(tool)) for tool in tools}


class Clock:
    """Says what is going on, and for how long this has run."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def say(self, what: str) -> None:
        """Tells of the next step."""
        print(f"[{time.monotonic() - self.began:6.0f} s] {what}", flush=True)

"""What was measured against what, and how it is told."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from measure import Cost


@dataclass
class Row:
    """One comparison. `target` is what the ratio may be at most; `at_least` turns that around."""

    case: str
    peer: str
    metric: str
    ours: float
    theirs: float
    ratio: float
    target: float | None = None
    at_least: bool = False

    def is_met(self) -> bool:
        """Whether the target is met; without one, yes."""
        if self.target is None:
            return True
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target


@dataclass
class Table:
    """All comparisons of a run."""

    rows: list[Row] = field(default_factory=list)

    def add(self, case: str, peer: str, metric: str, ours: float, theirs: float, target: float | None = None, at_least: bool = False) -> None:
        """Compares two figures, and says so at once."""
        row = Row(case, peer, metric, ours, theirs, ours / theirs if theirs else 0.0, target, at_least)
        self.rows.append(row)
        bound = "" if target is None else f"  ({'at least' if at_least else 'at most'} {target:g}: {'met' if row.is_met() else 'MISSED'})"
        print(f"    {metric:<22} ours {ours:>10.3f}  {peer:<28} {theirs:>10.3f}  ratio {row.ratio:.3f}{bound}", flush=True)

    def compare(self, case: str, ours: Cost, others: dict[str, Cost], targets: dict[tuple[str, str], float]) -> None:
        """Compares runs with the runs of peers; `targets` by peer and metric."""
        for peer, theirs in others.items():
            for metric, of_ours, of_theirs in (
                ("wall, s", ours.wall, theirs.wall),
                ("CPU, s", ours.cpu, theirs.cpu),
                ("peak memory, MiB", ours.rss, theirs.rss),
                ("written, MB", ours.written / 1e6, theirs.written / 1e6),
            ):
                self.add(case, peer, metric, of_ours, of_theirs, targets.get((peer, metric)))

    def write(self, path: Path) -> None:
        """Writes the list of objects."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([asdict(row) for row in self.rows], indent=1) + "\n")

    @staticmethod
    def read(path: Path) -> "Table":
        """What `write` wrote."""
        return Table([Row(**row) for row in json.loads(path.read_text())])

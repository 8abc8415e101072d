"""What a run of the benchmarks says to people: the end of the output, docs/benchmarks.md, a chart."""

import json
from html import escape
from pathlib import Path

from table import Row, Table

CHART = "benchmarks.svg"


def remember(path: Path, facts: dict) -> None:
    """Keeps what the results were measured on."""
    path.write_text(json.dumps(facts, indent=1) + "\n")


def summary(table: Table, facts: dict) -> str:
    """The comparisons that have a target."""
    lines = ["", f"{'target':<68} {'ratio':>7} {'bound':>7}"]
    for row in table.rows:
        if row.target is not None:
            verdict = "" if row.is_met() else "  missed"
            lines.append(f"{_name(row):<68} {row.ratio:>7.3f} {_bound(row):>7}{verdict}")
    for peer in facts["missing"]:
        lines.append(f"not compared with {peer}: it is not installed")
    return "\n".join(lines)


def document(table: Table, facts: dict, docs: Path) -> None:
    """Writes docs/benchmarks.md and its chart."""
    (docs / CHART).write_text(_chart([row for row in table.rows if row.metric == "wall, s" and row.theirs > 0]))
    (docs / "benchmarks.md").write_text(_page(table, facts))


def _name(row: Row) -> str:
    return f"{row.case}: {row.metric} against {row.peer}"


def _bound(row: Row) -> str:
    return f"{'≥' if row.at_least else '≤'} {row.target:g}"


def _page(table: Table, facts: dict) -> str:
    machine, versions = facts["machine"], facts["versions"]
    head = f"""# Benchmarks

Written by `make bench BENCH=--write-docs`; the figures of one run, in which ours and the peers took turns. [tests/bench](../tests/bench/README.md) says what is measured, and how.

{machine['processors']} × {machine['processor']}, {machine['memory, GiB']} GiB, Linux {machine['kernel']}, {machine['file system']}; {facts['rounds']} rounds, {facts['minutes']} minutes in all.

| tool | version |
|---|---|
"""
    head += "".join(_line(name, version) for name, version in versions.items())
    head += "".join(_line(name, "not installed: not compared") for name in facts["missing"])
    head += f"\n![wall clock of ours as a share of the peers']({CHART})\n\n## Targets\n\n"
    head += "| what | against | ours | theirs | ratio | target | |\n|---|---|---|---|---|---|---|\n"
    for row in table.rows:
        if row.target is not None:
            met = "met" if row.is_met() else "**missed**"
            head += _line(f"{row.case}: {row.metric}", row.peer, *_figures(row), _bound(row), met)
    head += "\n## All figures\n\n| case | metric | against | ours | theirs | ratio |\n|---|---|---|---|---|---|\n"
    for row in table.rows:
        head += _line(row.case, row.metric, row.peer, *_figures(row))
    return head


def _line(*cells: str) -> str:
    """A line of a table. Some peers have a bar in their name."""
    return "".join("| " + cell.replace("|", "\\|") + " " for cell in cells) + "|\n"


def _figures(row: Row) -> tuple[str, str, str]:
    return f"{row.ours:.3f}", f"{row.theirs:.3f}", f"{row.ratio:.3f}"


def _chart(rows: list[Row]) -> str:
    """Bars: ours as a share of a peer's wall clock. The line is 1."""
    height, left, width = 18, 430, 360
    most = 1.5
    total = height * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{total}" font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="100%" fill="white"/><text x="{left}" y="14">wall clock, ours as a share of the peer\'s (less is better; the line is 1)</text>',
    ]
    for number, row in enumerate(rows):
        top = 24 + number * height
        length = min(row.ratio, most) / most * width
        colour = "#2a7f62" if row.ratio <= 1 else "#b4552d"
        parts.append(f'<text x="{left - 6}" y="{top + 11}" text-anchor="end">{escape(row.case)} / {escape(row.peer)}</text>')
        parts.append(f'<rect x="{left}" y="{top}" width="{length:.1f}" height="{height - 5}" fill="{colour}"/>')
        parts.append(f'<text x="{left + length + 4:.1f}" y="{top + 11}">{row.ratio:.2f}</text>')
    one = left + width / most
    parts.append(f'<line x1="{one:.1f}" x2="{one:.1f}" y1="20" y2="{total - 12}" stroke="#444" stroke-dasharray="3 3"/></svg>')
    return "\n".join(parts) + "\n"

"""Case h: stores of many generations. No peer takes part: what is measured is how the price of a look grows."""

import hashlib
import json
import math
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trees
from measure import Cost
from ours import NAME, Handover
from rounds import interleaved
from scene import Scene

# Seconds that a look at the largest store may take.
BOUND = 0.1
ID = "%Y%m%dT%H%M%SZ"


def measure(scene: Scene) -> None:
    """Looks at stores of which each is ten times as large as the one before."""
    scene.clock.say("h: one generation")
    tree = trees.small(scene.room / "tree", 200)
    ours = scene.handover(tree.root)
    ours.fresh()
    ours.full()
    ours.transport()
    before: dict[str, tuple[int, Cost]] = {}
    for count in sorted({100, 1_000, scene.scaled(10_000)}):
        scene.clock.say(f"h: {count} generations on both sides")
        for side in ("source/store/bench/data", "sink/home/store/here/bench/data"):
            multiply(ours.room / side, count)
        looks = {
            "status of transport, source": lambda: ours.call("transport", "status")[0],
            "status of collect": lambda: ours.call("collect", "status")[0],
            "plan of collect": lambda: ours.call("collect", "plan")[0],
            "status of transport, sink": lambda: ours.at_sink("transport", "status")[0],
            "status of rotate": lambda: ours.at_sink("rotate", "status")[0],
            "plan of rotate": lambda: ours.at_sink("rotate", "plan")[0],
        }
        for name, cost in interleaved(scene.rounds, looks).items():
            case = f"h, {count} generations"
            scene.table.add(case, f"{BOUND} s", f"{name}, s", cost.wall, BOUND, 1 if count == scene.scaled(10_000) else None)
            if name in before:
                fewer, then = before[name]
                power = math.log(cost.wall / then.wall) / math.log(count / fewer)
                print(f"      {name} grows with the {power:.2f}th power", flush=True)
            before[name] = (count, cost)
    ours.close()


def multiply(store: Path, count: int) -> None:
    """Makes as many generations of one as are wanted, an hour apart: the same files under other ids, each sealed and signed for. The
    signature is that of another one; who looks does not ask for it."""
    there = sorted(path.name for path in store.glob("2*Z"))
    newest = store / there[-1]
    manifest = json.loads((newest / "manifest.json").read_text())
    seal = (newest / "SHA256SUMS").read_text()
    receipt = json.loads((store / "receipts" / f"{newest.name}.json").read_text())
    time = datetime.strptime(newest.name, ID).replace(tzinfo=timezone.utc)
    for number in range(len(there), count):
        at = time - timedelta(hours=number)
        generation = store / at.strftime(ID)
        generation.mkdir(mode=0o750)
        text = json.dumps(manifest | {"id": generation.name})
        (generation / "manifest.json").write_text(text)
        lines = [line for line in seal.splitlines() if not line.endswith("  manifest.json")]
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()}  manifest.json")
        sealed = "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line[66:]))
        for line in lines:
            if not (generation / line[66:]).exists():
                os.link(newest / line[66:], generation / line[66:])
        (generation / "SHA256SUMS").write_text(sealed)
        digest = hashlib.sha256(sealed.encode()).hexdigest()
        stamp = at.isoformat().replace("+00:00", "Z")
        told = receipt | {"id": generation.name, "digest": digest, "received_at": stamp, "verified_at": stamp}
        (store / "receipts" / f"{generation.name}.json").write_text(json.dumps(told))

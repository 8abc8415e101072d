"""Case b: a million files of 0 to 16 KiB."""

import trees
from ours import NAME
from peers import Restic, Rsync
from rounds import interleaved
from scene import Scene


def measure(scene: Scene) -> None:
    """One full of each, then runs in which nothing has changed."""
    scene.clock.say("b: generating the tree")
    count = scene.scaled(1_000_000)
    tree = trees.small(scene.room / "tree", count)
    ours = scene.handover(tree.root)
    peers = scene.peers(tree.root, Rsync, Restic)
    scene.clock.say("b: the first copy")
    for tool in (ours, *peers.values()):
        tool.fresh()
    own = interleaved(1, {tool.name: tool.full for tool in (ours, *peers.values())})[NAME]
    scene.memory("b, full", own)
    scene.carry(ours)

    scene.clock.say("b: nothing changed")
    costs = interleaved(scene.few, {tool.name: tool.again for tool in (ours, *peers.values())})
    again = costs.pop(NAME)
    case = "b, nothing changed"
    scene.table.compare(case, again, costs, {(Rsync.name, "wall, s"): 1.2, (Restic.name, "wall, s"): 0.15})
    scene.memory(case, again)

    scene.clock.say("b: how memory grows")
    # A quarter: enough that the pipeline's own memory is as full as with the whole.
    aside = scene.room / "aside"
    aside.mkdir()
    for area in sorted(tree.root.iterdir())[10:]:
        area.rename(aside / area.name)
    quarter = scene.handover(tree.root)
    quarter.room = scene.room / "part"
    quarter.fresh()
    part_full = quarter.full()
    quarter.transport()
    part_again = quarter.again()
    quarter.close()
    for what, whole, part in (("full", own, part_full), ("nothing changed", again, part_again)):
        paths = whole.told["paths"] - part.told["paths"]
        scene.table.add(f"b, {what}", "150 bytes", "memory per path", (whole.rss - part.rss) * 2**20 / paths, 150, 1)
    ours.close()

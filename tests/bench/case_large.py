"""Case c: one file of 4 GB, or of 20 with `--large`, written in place."""

import trees
from measure import shell
from ours import NAME
from peers import Borg, Restic
from rounds import interleaved
from scene import Scene


def measure(scene: Scene, size: int) -> None:
    """One full of each, then runs after writes to the file."""
    scene.clock.say("c: generating the file")
    large = trees.Large(scene.room / "tree" / "disk.img", scene.scaled(size))
    ours = scene.handover(large.path.parent)
    peers = scene.peers(large.path.parent, Restic, Borg)
    scene.clock.say("c: the first copy")
    for tool in (ours, *peers.values()):
        tool.fresh()
    costs = interleaved(1, {tool.name: tool.full for tool in (ours, *peers.values())}, reads=[large.path])
    own = costs.pop(NAME)
    scene.table.compare("c, full", own, costs, {})
    scene.memory("c, full", own)
    scene.carry(ours)
    packed = scene.room / "packed"
    for what, change, bound in (("extents", large.extents, 0.013), ("pages", large.pages, 0.18)):
        scene.clock.say(f"c: 1 % written in place, {what}")
        case = f"c, 1 % in {what}"
        costs = interleaved(scene.few, {tool.name: tool.again for tool in (ours, *peers.values())}, change, [large.path])
        own = costs.pop(NAME)
        scene.table.compare(case, own, costs, {(Restic.name, "wall, s"): 0.7})
        scene.memory(case, own)
        shell(f"zstd -q -3 -T0 -f {large.path} -o {packed}")
        scene.table.add(case, "the file, zstd -3", "stored, MB", own.told["stored"] / 1e6, packed.stat().st_size / 1e6, bound)
        scene.table.add(case, "the file", "read, MB", own.read / 1e6, large.size / 1e6)
        packed.unlink()
        if what == "extents":
            # What comes next is against a full that has these changes.
            ours.full()
            scene.carry(ours)
    ours.close()

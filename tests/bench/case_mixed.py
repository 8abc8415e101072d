"""Case a: 200,000 files of all kinds, 4 GB."""

import os
import shutil
import time
from pathlib import Path
from statistics import median

import disk
import trees
from measure import Cost, shell
from ours import NAME, Handover
from peers import Borg, Peer, Restic, Rsync, TarZstd
from rounds import first_copies, interleaved
from scene import Scene


def measure(scene: Scene) -> None:
    """Everything that is measured with this tree."""
    scene.clock.say("a: generating the tree")
    tree = trees.mixed(scene.room / "tree", scene.scaled(200_000), scene.scaled(4_000_000_000))
    ours = scene.handover(tree.root)
    peers = scene.peers(tree.root, TarZstd, Restic, Borg)
    full, tar = _full(scene, tree, ours, peers)
    unchanged = _unchanged(scene, tree, ours, peers)
    _changed(scene, tree, ours, peers, full, unchanged)
    _transport(scene, tree, ours)
    _restore(scene, tree, ours, peers)
    _nothing_differs(scene, tree, ours)
    scene.digests("a", ours)
    scene.downtime("a", ours, tree.root, tree.paths()[::100], tree.contents, tar)
    ours.close()


def _full(scene: Scene, tree, ours: Handover, peers: dict[str, Peer]) -> tuple[Cost, Cost]:
    scene.clock.say("a: the first copy")
    runs = first_copies((ours, *peers.values()))
    costs = interleaved(scene.few, runs, reads=tree.paths())
    own = costs.pop(NAME)
    case = "a, full"
    scene.table.compare(
        case,
        own,
        costs,
        {(TarZstd.name, "wall, s"): 1.15, (Restic.name, "CPU, s"): 0.5, (Borg.name, "CPU, s"): 0.85},
    )
    for peer in peers.values():
        scene.table.add(case, peer.name, "stored, MB", own.told["stored"] / 1e6, peer.stored() / 1e6)
    scene.memory(case, own)
    scene.clock.say("a: the first transport")
    scene.carry(ours)
    return own, costs[TarZstd.name]


def _unchanged(scene: Scene, tree, ours: Handover, peers: dict[str, Peer]) -> Cost:
    scene.clock.say("a: nothing changed")
    rsync = Rsync(tree.root, scene.room)
    rsync.fresh()
    rsync.full()
    others = [rsync, *(peer for name, peer in peers.items() if name != TarZstd.name)]
    costs = interleaved(scene.rounds, {tool.name: tool.again for tool in (ours, *others)})
    own = costs.pop(NAME)
    scene.table.compare(
        "a, nothing changed", own, costs, {(Rsync.name, "wall, s"): 1.2, (Restic.name, "wall, s"): 0.15}
    )
    scene.memory("a, nothing changed", own)
    shutil.rmtree(rsync.room)
    return own


def _changed(scene: Scene, tree, ours: Handover, peers: dict[str, Peer], full: Cost, unchanged: Cost) -> None:
    for how, change in (("scattered", tree.scattered), ("clustered", tree.clustered)):
        scene.clock.say(f"a: 1 % changed, {how}")
        paths = change(0.01)
        shares: list[float] = []
        sizes: list[float] = []

        def before(paths=paths, shares=shares, sizes=sizes):
            tree.rewrite(paths)
            shares.append(trees.bytes_of(paths) / trees.bytes_of(tree.paths()))
            sizes.append(_compressed(scene, paths))

        others = [peer for name, peer in peers.items() if name != TarZstd.name]
        costs = interleaved(scene.rounds, {tool.name: tool.again for tool in (ours, *others)}, before, paths)
        own = costs.pop(NAME)
        case = f"a, 1 % changed, {how}"
        scene.table.compare(case, own, costs, {})
        share = unchanged.wall + full.wall * median(shares)
        scene.table.add(case, "unchanged + their share", "wall, s", own.wall, share, 1.3)
        scene.table.add(case, "the files, tar | zstd -3", "stored, MB", own.told["stored"] / 1e6, median(sizes) / 1e6, 1.3)
        # What comes next is against a full that has these changes.
        ours.full()
        scene.carry(ours)


def _compressed(scene: Scene, paths: list[Path]) -> int:
    names, packed = scene.room / "names", scene.room / "packed"
    names.write_text("".join(f"{path}\n" for path in paths))
    shell(f"tar -cf - -P -T {names} | zstd -q -3 > {packed}")
    return packed.stat().st_size


def _transport(scene: Scene, tree, ours: Handover) -> None:
    scene.clock.say("a: a new full to the sink, 1 % modified, scattered")
    wires, resumed = [], []
    paths = tree.scattered(0.01)
    for number in range(scene.few):
        tree.rewrite(paths)
        stored = ours.full().told["stored"]
        cost, wire = ours.transport()
        wires.append(wire / stored)
        print(f"      round {number + 1}: {wire / 1e6:.1f} of {stored / 1e6:.1f} MB, {cost.wall:.1f} s", flush=True)
        tree.rewrite(paths)
        # Of what was written right before a copy, each collection that follows would read the contents again.
        time.sleep(3)
        ours.full()
        first = ours.cut_transport(wire // 2)
        _, rest = ours.transport()
        resumed.append(rest / max(1, wire - first))
        print(f"      round {number + 1}: cut after {first / 1e6:.1f} MB, then {rest / 1e6:.1f} MB", flush=True)
    case = "a, transport of a new full, 1 % modified"
    scene.table.add(case, "its bytes", "on the wire", median(wires), 1, 0.07)
    scene.table.add(case + ", cut at half", "what remained", "on the wire", median(resumed), 1, 1.1)


def _restore(scene: Scene, tree, ours: Handover, peers: dict[str, Peer]) -> None:
    scene.clock.say("a: restore of everything")
    # The newest of each has the tree as it is now.
    for peer in peers.values():
        if peer.name == TarZstd.name:
            peer.full()
        else:
            peer.again()
    size = 3 * trees.bytes_of(tree.paths()) + 2**30

    def restore(tool):
        with disk.empty(scene.room / "disk", size) as target:
            return tool.restore(target)

    # Ours was proven, and is not in the page cache any more; what the peers have just written is.
    copies = ours.newest() + [path for peer in peers.values() for path in peer.room.rglob("*") if path.is_file()]
    runs = {tool.name: (lambda tool=tool: restore(tool)) for tool in (ours, *peers.values())}
    costs = interleaved(scene.few, runs, reads=copies)
    own = costs.pop(NAME)
    scene.table.compare("a, restore", own, costs, {})
    fastest = min(costs, key=lambda name: costs[name].wall)
    scene.table.add("a, restore", f"fastest: {fastest}", "wall, s", own.wall, costs[fastest].wall, 0.9)
    scene.memory("a, restore", own)
    for peer in peers.values():
        shutil.rmtree(peer.room, ignore_errors=True)

    scene.clock.say("a: restore of one file")
    path, target = str(tree.paths()[len(tree.paths()) // 2]), scene.room / "target"

    def one():
        target.mkdir()
        cost = ours.restore(target, "--path", path)
        shutil.rmtree(target)
        return cost

    own = interleaved(scene.rounds, {NAME: one})[NAME]
    scene.table.add("a, restore of one file", "0.3 s", "wall, s", own.wall, 0.3, 1)


def _nothing_differs(scene: Scene, tree, ours: Handover) -> None:
    scene.clock.say("a: restore where nothing differs")
    hashes = f"find {tree.root} -type f -print0 | xargs -0 -n 500 -P {os.cpu_count()} sha256sum > /dev/null"
    runs = {
        "by times": lambda: ours.restore(Path("live"), "--compare", "times"),
        "by contents": lambda: ours.restore(Path("live")),
        "unchanged collect": ours.again,
        "sha256sum, all cores": lambda: shell(hashes),
    }
    costs = interleaved(scene.rounds, runs, reads=tree.paths())
    case = "a, restore, nothing differs"
    scene.table.add(case, "unchanged collect", "wall, s", costs["by times"].wall, costs["unchanged collect"].wall, 1.2)
    scene.table.add(
        case + ", re-hashed", "sha256sum, all cores", "wall, s", costs["by contents"].wall, costs["sha256sum, all cores"].wall, 1.1
    )

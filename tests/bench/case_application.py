"""Case d: what a real application writes: databases of SQLite, and logs."""

import trees
from ours import NAME
from peers import ALL, TarPigz, TarZstd
from rounds import first_copies, interleaved
from scene import Scene


def measure(scene: Scene) -> None:
    """A full, runs after some work of the application, and how long it stands still."""
    scene.clock.say("d: the application writes its data")
    application = trees.Application(scene.room / "tree", scene.scaled(50), 6_000)
    ours = scene.handover(application.root)
    peers = scene.peers(application.root, *ALL)

    scene.clock.say("d: the first copy")
    costs = interleaved(scene.few, first_copies((ours, *peers.values())), reads=application.paths())
    own, whole = costs.pop(NAME), costs[TarZstd.name]
    scene.table.compare("d, full", own, costs, {})
    for peer in peers.values():
        scene.table.add("d, full", peer.name, "stored, MB", own.told["stored"] / 1e6, peer.stored() / 1e6)
    scene.memory("d, full", own)
    scene.carry(ours)

    scene.clock.say("d: some customers came")
    others = [peer for peer in peers.values() if peer.name not in (TarZstd.name, TarPigz.name)]
    runs = {tool.name: tool.again for tool in (ours, *others)}
    costs = interleaved(scene.rounds, runs, application.work, application.paths())
    own = costs.pop(NAME)
    scene.table.compare("d, 1 % changed", own, costs, {})
    scene.memory("d, 1 % changed", own)
    ours.full()
    scene.carry(ours)
    changed = [application.root / "db" / "customer-000.sqlite", application.root / "log" / "app-29.log"]
    scene.downtime("d", ours, application.root, changed[: max(1, scene.scaled(1))], application.contents, whole)
    ours.close()

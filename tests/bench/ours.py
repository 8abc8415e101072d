"""Handover on two hosts in one folder, with a real sshd between them: the release executables, a job document, keys."""

import contextlib
import json
import platform
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

from measure import Cost, Failed, run

NAME = "handover"


class Relay:
    """A port that passes everything on to another one, counts it, and may break off after so many bytes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.count = 0
        self.limit: int | None = None
        self.lock = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.own_port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            here, _ = self.server.accept()
            there = socket.create_connection(("127.0.0.1", self.port))
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                with self.lock:
                    self.count += len(data)
                    cut = self.limit is not None and self.count > self.limit
                if cut:
                    break
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def begin(self, limit: int | None = None) -> None:
        """Counts anew."""
        with self.lock:
            self.count, self.limit = 0, limit


class Handover:
    """One job, `bench`, of the source `here`, pushed to the sink `sink1`."""

    name = NAME

    def __init__(self, tree: Path, room: Path, libexec: Path) -> None:
        self.tree = tree
        self.room = room / NAME
        self.libexec = libexec
        self.sshd: subprocess.Popen | None = None

    def version(self) -> str:
        """What the executables call themselves."""
        return run([self._program("collect"), "--version"])[1].strip()

    def _program(self, name: str) -> str:
        return next(str(path) for path in self.libexec.glob(f"backup_{name}_linux_*") if path.name.endswith(_processor()))

    def fresh(self) -> None:
        """Forgets all copies."""
        self.close()
        shutil.rmtree(self.room, ignore_errors=True)
        for folder in ("source/etc/jobs", "sink/etc/jobs/here", "sink/home"):
            (self.room / folder).mkdir(parents=True)
        for key in ("host", "push", "receipt"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", f"{self.room}/{key}"])
        self._serve()
        self.declare()

    def declare(self, **settings) -> None:
        """Writes the job document on both sides."""
        document = json.dumps(self._document() | settings)
        for path in ("source/etc/jobs/bench.yml", "sink/etc/jobs/here/bench.yml"):
            (self.room / path).write_text(document)

    def close(self) -> None:
        """Ends what was started."""
        if self.sshd is not None:
            self.sshd.kill()
            self.sshd.wait()
            self.sshd = None

    def _serve(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.relay = Relay(port)
        public = {key: (self.room / f"{key}.pub").read_text() for key in ("host", "push", "receipt")}
        forced = f"{self._program('transport')} serve --config {self.room}/sink/etc --job here/bench --stream data --allow push"
        (self.room / "authorized_keys").write_text(f'restrict,command="{forced}" {public["push"]}')
        (self.room / "known_hosts").write_text(f"[127.0.0.1]:{self.relay.own_port} {public['host']}")
        (self.room / "signers").write_text(f'sink1 namespaces="handover-receipt" {public["receipt"]}')
        (self.room / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {self.room}/host\nAuthorizedKeysFile {self.room}/authorized_keys\n"
            "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        self.sshd = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", f"{self.room}/sshd_config"], stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                return
            if time.monotonic() > deadline or self.sshd.poll() is not None:
                raise Failed("sshd does not listen")
            time.sleep(0.01)

    def _document(self) -> dict:
        room = str(self.room)
        stream = {
            "include": [str(self.tree)],
            "user": "root",
            "handover": {"path": f"{room}/source/handover", "keep": 9},
            "store": {"path": f"{room}/source/store"},
            "restore_folder": f"{room}/source/restore",
            "transport": {
                "mode": "push",
                "window": "0s",
                "signers": f"{room}/signers",
                "peer": {
                    "address": "127.0.0.1",
                    "port": self.relay.own_port,
                    "user": "root",
                    "identity": f"{room}/push",
                    "known_hosts": f"{room}/known_hosts",
                },
            },
            "sink": {
                "name": "sink1",
                "user": "root",
                "home": f"{room}/sink/home",
                "receipt_key": f"{room}/receipt",
                "protect": "0s",
                "retention": {"generations": 1},
                "verify_max_age": "1s",
            },
            "checks": {"max_shrink": "100%"},
        }
        return {
            "version": 1,
            "job": "bench",
            "source": "here",
            "state": f"{room}/source/state",
            "mail": {"to": []},
            # As the peers run.
            "priority": {"nice": 0, "ionice": {"class": "none"}},
            "streams": {"data": stream},
        }

    def call(self, name: str, *words: str) -> tuple[Cost, dict]:
        """Runs an executable for the job on the source: its cost, and what it answers."""
        cost, output = run([self._program(name), words[0], "bench", *words[1:], "--json", "--config", f"{self.room}/source/etc"])
        return cost, json.loads(output)

    def collect(self, kind: str) -> Cost:
        """Collects into the handover point, where nothing else lies."""
        self.empty_handover()
        cost, answer = self.call("collect", "run", "--kind", kind)
        stream = answer["report"]["streams"][0] if "report" in answer else answer["streams"][0]
        if stream["kind"] != kind:
            raise Failed(f"{kind} was asked for, {stream['kind']} came: {stream['reason']}")
        downtime = (answer.get("report") or answer)["downtime_ms"] / 1000
        told = {"downtime": downtime, "stored": stream["stored_bytes"], "paths": stream["paths"]}
        return replace(cost, told=told)

    def full(self) -> Cost:
        """Copies the tree anew."""
        return self.collect("full")

    def again(self) -> Cost:
        """Copies what has changed since the full that the sink has."""
        return self.collect("incremental")

    def empty_handover(self) -> None:
        """Nothing waits for transport."""
        for generation in (self.room / "source/handover/bench/data").glob("2*Z"):
            shutil.rmtree(generation)

    def transport(self) -> tuple[Cost, int]:
        """Carries what waits to the sink: its cost, and the bytes that went over the wire, both ways, ssh's own included."""
        self.relay.begin()
        cost, _ = self.call("transport", "run", "--stream", "data")
        return cost, self.relay.count

    def cut_transport(self, after: int) -> int:
        """Carries until so many bytes went over the wire, and is cut off; the bytes."""
        self.relay.begin(after)
        try:
            self.call("transport", "run", "--stream", "data")
        except Failed:
            return self.relay.count
        finally:
            self.relay.limit = None
        raise Failed(f"a connection that was cut after {after} bytes did its work")

    def stop_at_sink(self) -> None:
        """What the sink has is only read again from now on."""
        self.at_sink("job", "stop")

    def reread(self) -> tuple[Cost, list]:
        """The sink reads all its copies again: the cost, and what was read."""
        cost, answer = self.at_sink("rotate", "run", "--stopped")
        return cost, [one for store in answer["stores"] for one in store["reread"]]

    def at_sink(self, name: str, *words: str) -> tuple[Cost, dict]:
        """A call of the sink's: the cost, and the answer."""
        words = (words[0], "here/bench", *words[1:], "--json", "--config", f"{self.room}/sink/etc")
        cost, output = run([self._program(name), *words])
        return cost, json.loads(output)

    def restore(self, target: Path, *words: str) -> Cost:
        """Writes the newest copy into an empty folder. It syncs by itself."""
        return self.call("restore", "run", "--from", "sink_store", "--target", str(target), *words)[0]

    def stored(self) -> int:
        """Bytes of the newest generation in the sink's store."""
        return sum(path.stat().st_size for path in self.newest())

    def newest(self) -> list[Path]:
        """The files of the newest generation in the sink's store."""
        newest = max((self.room / "sink/home/store/here/bench/data").glob("2*Z"))
        return [path for path in newest.rglob("*") if path.is_file()]


def _processor() -> str:
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())

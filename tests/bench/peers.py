"""The tools that do a part of the same work, each as its manual says, with zstd at level 3 where it can."""

import shutil
import subprocess
from pathlib import Path

from measure import Cost, run, shell

SECRET = "only for measurements"


class Peer:
    """A tool that copies a tree into a folder of its own."""

    name = ""
    program = ""
    version_words = ("--version",)

    def __init__(self, tree: Path, room: Path) -> None:
        self.tree = tree
        self.room = room / type(self).__name__.lower()

    @classmethod
    def version(cls) -> str | None:
        """What the tool calls itself, or nothing if it is not here."""
        program = shutil.which(cls.program)
        if program is None:
            return None
        said = subprocess.run([program, *cls.version_words], capture_output=True, text=True, check=False)
        return (said.stdout or said.stderr).strip().splitlines()[0].strip()

    def fresh(self) -> None:
        """Forgets all copies."""
        shutil.rmtree(self.room, ignore_errors=True)
        self.room.mkdir(parents=True)

    def full(self) -> Cost:
        """Copies the tree for the first time."""
        raise NotImplementedError

    def again(self) -> Cost:
        """Copies what has changed since."""
        raise NotImplementedError

    def restore(self, target: Path) -> Cost:
        """Writes the newest copy into an empty folder, and syncs it."""
        raise NotImplementedError

    def stored(self) -> int:
        """Bytes of all copies."""
        return sum(path.lstat().st_size for path in self.room.rglob("*") if path.is_file())


class TarZstd(Peer):
    name = "tar | zstd -3 -T0"
    program = "zstd"
    compress, suffix = "zstd -q -3 -T0", "zst"
    expand = "zstd"

    def full(self) -> Cost:
        return shell(f"tar -C {self.tree} -cf - . | {self.compress} > {self.room}/tree.tar.{self.suffix}")

    def restore(self, target: Path) -> Cost:
        return shell(
            f"tar --use-compress-program={self.expand} -xpf {self.room}/tree.tar.{self.suffix} -C {target}; sync -f {target}"
        )


class TarPigz(TarZstd):
    name = "tar | pigz"
    program = "pigz"
    compress, suffix = "pigz", "gz"
    expand = "pigz"


class Rsync(Peer):
    name = "rsync -a"
    program = "rsync"

    def full(self) -> Cost:
        return run(["rsync", "-a", f"{self.tree}/", f"{self.room}/copy/"])[0]

    again = full


class Restic(Peer):
    name = "restic"
    program = "restic"
    version_words = ("version",)

    def _run(self, *words: str) -> Cost:
        repository = f"{self.room}/repository"
        env = {"RESTIC_PASSWORD": SECRET, "RESTIC_CACHE_DIR": f"{self.room}/cache"}
        return run(["restic", "--quiet", "--repo", repository, *words], env)[0]

    def fresh(self) -> None:
        super().fresh()
        self._run("init")

    def full(self) -> Cost:
        return self._run("backup", str(self.tree))

    again = full

    def restore(self, target: Path) -> Cost:
        repository = f"{self.room}/repository"
        script = f"restic --quiet --repo {repository} restore latest --target {target}; sync -f {target}"
        return shell(script, env={"RESTIC_PASSWORD": SECRET, "RESTIC_CACHE_DIR": f"{self.room}/cache"})

    def stored(self) -> int:
        return sum(path.stat().st_size for path in (self.room / "repository").rglob("*") if path.is_file())


class Borg(Peer):
    name = "borg"
    program = "borg"

    def _env(self) -> dict[str, str]:
        return {
            "BORG_BASE_DIR": f"{self.room}/base",
            "BORG_REPO": f"{self.room}/repository",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def fresh(self) -> None:
        super().fresh()
        run(["borg", "init", "--encryption", "none"], self._env())

    def full(self) -> Cost:
        return run(["borg", "create", "--compression", "zstd,3", "::{now:%Y%m%dT%H%M%S%f}", str(self.tree)], self._env())[0]

    again = full

    def restore(self, target: Path) -> Cost:
        newest = run(["borg", "list", "--last", "1", "--format", "{archive}"], self._env())[1].strip()
        return shell(f"borg extract '::{newest}'; sync -f .", directory=target, env=self._env())

    def stored(self) -> int:
        return sum(path.stat().st_size for path in (self.room / "repository").rglob("*") if path.is_file())


class Duplicity(Peer):
    name = "duplicity"
    program = "duplicity"

    def _words(self) -> list[str]:
        return ["--no-encryption", "--archive-dir", f"{self.room}/archive", "--verbosity", "error"]

    def full(self) -> Cost:
        (self.room / "copies").mkdir(exist_ok=True)
        return run(["duplicity", "full", *self._words(), str(self.tree), f"file://{self.room}/copies"])[0]

    def again(self) -> Cost:
        return run(["duplicity", "incremental", *self._words(), str(self.tree), f"file://{self.room}/copies"])[0]


class Rsnapshot(Peer):
    name = "rsnapshot"
    program = "rsnapshot"
    version_words = ("version",)

    def fresh(self) -> None:
        super().fresh()
        lines = [
            "config_version\t1.2",
            f"snapshot_root\t{self.room}/copies/",
            "cmd_rsync\t/usr/bin/rsync",
            "cmd_cp\t/bin/cp",
            "cmd_rm\t/bin/rm",
            "retain\talpha\t9",
            "verbose\t1",
            f"backup\t{self.tree}/\there/",
        ]
        (self.room / "rsnapshot.conf").write_text("\n".join(lines) + "\n")

    def full(self) -> Cost:
        return run(["rsnapshot", "-c", f"{self.room}/rsnapshot.conf", "alpha"])[0]

    again = full


ALL: tuple[type[Peer], ...] = (TarZstd, TarPigz, Rsync, Restic, Borg, Duplicity, Rsnapshot)

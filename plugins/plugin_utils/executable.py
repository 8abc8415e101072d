# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.
"""Where the executables lie on the controller, and which of them a host can run."""

from __future__ import annotations

import pathlib

# What `make build` makes and `make collection` packs: <name>_linux_<processor>, and the release that all of them are of.
LIBEXEC = pathlib.Path(__file__).resolve().parents[2] / "libexec"

# The names that `uname -m` has for the processors we build for.
PROCESSORS = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}

BUILD = "Run `make build` where Handover's sources are, or install the collection from an archive that `make collection` has made."


class Unavailable(Exception):
    """There is nothing that the host could run."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def release() -> str:
    """The release that is to be run, wherever it lies."""
    try:
        return (LIBEXEC / "RELEASE").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise Unavailable("the executables are not built: %s is missing" % (LIBEXEC / "RELEASE"), BUILD) from None


def for_processor(name: str, machine: str) -> pathlib.Path:
    """The executable to transfer to a host whose `uname -m` says `machine`."""
    processor = PROCESSORS.get(machine)
    if processor is None:
        raise Unavailable(
            "there is no executable for the processor %r" % machine,
            "Executables are built for %s only." % " and ".join(sorted(set(PROCESSORS.values()))),
        )
    path = LIBEXEC / ("%s_linux_%s" % (name, processor))
    if not path.is_file():
        raise Unavailable("%s is not built for %s: %s is missing" % (name, processor, path), BUILD)
    return path

"""Starts what is measured. A process of its own, and a small one: the kernel counts the memory of whoever starts a program as that
program's, until it has begun. One call per line of JSON, and one answer."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def counted() -> dict[str, int]:
    """Bytes of this process and of all its children that have ended."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(count) for name, count in (line.split(": ") for line in lines)}


def call(command: list[str], env: dict[str, str], directory: str | None) -> dict:
    """Runs a command to its end."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        before = counted()
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=os.environ | env, cwd=directory
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        after = counted()
        output.seek(0)
        errors.seek(0)
        return {
            "code": process.returncode,
            "wall": wall,
            "cpu": usage.ru_utime + usage.ru_stime,
            "rss": usage.ru_maxrss / 1024,
            "read": after["rchar"] - before["rchar"],
            "written": after["write_bytes"] - before["write_bytes"],
            "output": output.read().decode(errors="replace"),
            "errors": errors.read().decode(errors="replace"),
        }


def main() -> None:
    """Until there are no more calls."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4_096), hard), hard))
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(call(asked["command"], asked["env"], asked["directory"])), flush=True)


if __name__ == "__main__":
    main()

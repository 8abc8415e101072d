"""Runs Debian's borg again and again in one process: starting it takes longer than what is asked of it.

Each line of standard input is a JSON list, the arguments of one call. Each line of standard output is the JSON list of what
that call listed. A call that fails ends it.
"""

import json
import logging
import os
import sys

from borg.archiver import Archiver


class Collect(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


archiver = Archiver()
parser = archiver.build_parser()
archiver.build_parser = lambda *_: parser
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what borg prints goes to standard error
collect = Collect()
listed = logging.getLogger("borg.output.list")
for call in sys.stdin:
    listed.handlers = [collect]
    listed.propagate = False
    status = archiver.run(archiver.parse_args(json.loads(call)))
    if status != 0:
        sys.exit(f"borg ends with {status}: {call}")
    print(json.dumps(collect.lines), file=answers, flush=True)
    collect.lines.clear()

#!/usr/bin/env bash
# timing.sh INVENTORY [BOUND]: how long a task with an executable takes, in parts of a pipelined Python module's time; more than BOUND
# (default 0.6, where the executable is installed) is a failure, and so is more than one round trip.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=cores.sh
. "$(dirname "$0")/cores.sh"

inventory=$(realpath "$1")
bound=${2:-0.6}
PATH="$(newest):$PATH"
room=build/timing
rm -rf "$room"
mkdir -p "$room"
forget_surroundings

if [ "$bound" = 0.6 ]; then
    trips=$(ansible -vvv --inventory "$inventory" source --module-name handover.backup.backup_rotate --args 'action=status job=shop' 2>&1 | grep -c 'SSH: EXEC') || true
    [ "$trips" -eq 1 ] || die "a task with an installed executable took $trips round trips"
fi

ANSIBLE_CALLBACKS_ENABLED=junit JUNIT_OUTPUT_DIR=$room ansible-playbook --inventory "$inventory" molecule/matrix/timing.yml >"$room/log.txt" || {
    cat "$room/log.txt" >&2
    die "the play failed"
}
python3 - "$bound" "$room"/*.xml <<'TEXT'
import re, statistics, sys
import xml.etree.ElementTree as tree

times = {"Python module": [], "Executable": []}
for case in tree.parse(sys.argv[2]).iter("testcase"):
    for name, taken in times.items():
        if re.search(rf": {name}\b", case.get("name")):
            taken.append(1000 * float(case.get("time")))
median = {name: statistics.median(taken) for name, taken in times.items()}
print(*(f"{name}: median {median[name]:.0f} ms of {len(taken)}, {min(taken):.0f} to {max(taken):.0f}" for name, taken in times.items()), sep="\n")
ratio = median["Executable"] / median["Python module"]
print(f"{ratio:.2f} of a Python module's time; at most {sys.argv[1]} is wanted")
sys.exit(ratio > float(sys.argv[1]) or min(map(len, times.values())) < 12)
TEXT

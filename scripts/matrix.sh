#!/usr/bin/env bash
# matrix.sh INVENTORY: every keyword of Ansible with every module, in both forms, by the oldest and the newest ansible-core. The hosts are
# those of the scenario `matrix`. Exactly all cells must have come out right: one that did not run is a failure.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=cores.sh
. "$(dirname "$0")/cores.sh"

inventory=$(realpath "$1")
wanted=$((4 * 8 * 2 * 2)) # modules, keywords, forms, cores
secret=hunter2            # tasks/*.yml give it where it must not be seen
room=build/matrix
rm -rf "$room"
mkdir -p "$room"
forget_surroundings

# play LOG OPTION...: with the core that is meant now; shows what it said if it fails.
play() {
    local log=$1
    shift
    PATH="$bin:$PATH" ansible-playbook -vv --inventory "$inventory" "$@" >"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        die "a play failed; all that it said is in $log"
    }
}
own=$(host_arch)
case $own in x86_64) other=aarch64 ;; *) other=x86_64 ;; esac
[ -e "libexec/backup_rotate_linux_$other" ] || die "nothing is built for $other: see what \`make build\` says"

for core in oldest newest; do
    bin=$($core)
    for form in transferred installed; do
        say "$core ansible-core, $("$bin/ansible" --version | head -n 1), executables $form"
        log=$room/$core-$form.txt
        play "$log" --extra-vars "form=$form matrix_results=$root/$room/$core-$form.json" molecule/matrix/matrix.yml
        # Of the eight keywords, async does not ask what is installed, and delegate_to has another host.
        transfers=$(grep -c 'is not installed: it is transferred' "$log") || true
        case $form/$transfers in
            transferred/24 | installed/0) ;;
            *) die "$transfers transfers in $log" ;;
        esac
        ! grep -n "$secret" "$log" >&2 || die "what no_log should hide is in $log"
        [ "$form" = installed ] || play "$room/$core-refused.txt" --extra-vars "other=$other" molecule/matrix/refused.yml
    done
    ANSIBLE_KEEP_REMOTE_FILES=1 play "$room/$core-processors.txt" --extra-vars "own=$own other=$other" molecule/matrix/processors.yml
    say "each host was sent the executable for its own processor: one of them said $other, and the bytes were compared"
done

python3 - "$wanted" "$room"/*.json <<'TEXT'
import json, sys

wanted, right, wrong = int(sys.argv[1]), 0, []
for file in sys.argv[2:]:
    with open(file, encoding="utf-8") as opened:
        result = json.load(opened)
    if not result["unchanged"]:
        wrong.append(f"{file}: something was changed")
    for module, cells in result["cells"].items():
        for keyword, good in cells.items():
            right += good is True
            if good is not True:
                wrong.append(f"{file}: {module} with {keyword}")
print(*wrong, f"{right} of {wanted} came out right", sep="\n")
sys.exit(bool(wrong) or right != wanted)
TEXT

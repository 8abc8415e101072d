#!/usr/bin/env bash
# Runs the groups of stages that are named: lint, unit, build, ansible, molecule, or `tests`, which is unit and molecule at the
# same time. `SCENARIO=a,b` restricts the scenarios.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=stages.sh
. "$(dirname "$0")/stages.sh"
# shellcheck source-path=SCRIPTDIR source=cores.sh
. "$(dirname "$0")/cores.sh"

lab=molecule/shared/lab
scenario_limit=1800 # seconds; a scenario that hangs is a failure with a name
at_once=3

if ! [ -t 1 ]; then export NO_COLOR=1 ANSIBLE_NOCOLOR=1; fi

lint() {
    stage "rust format" cargo fmt --all --check
    stage "rust lints" cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
    stage "dependencies" cargo deny --locked check --hide-inclusion-graph licenses bans sources
    stage "dependency advisories" advisories
    stage "shell" shell_files
    stage "yaml" yamllint --strict .
    stage "role documentation" python3 scripts/role_readme.py --check
}

advisories() {
    if ! GIT_TERMINAL_PROMPT=0 timeout 60 cargo deny fetch db >/dev/null 2>&1; then
        warn "the database of advisories cannot be reached from here: not checked"
        return 77
    fi
    cargo deny --locked check --disable-fetch advisories
}

shell_files() {
    local files
    mapfile -t files < <(git ls-files --cached --others --exclude-standard -- . ':!tests/golden' |
        while read -r file; do
            if [ -f "$file" ] && head -c 64 "$file" | head -n1 | grep -qE '^#!.*[/ ](ba|da)?sh\b|^# shellcheck shell='; then echo "$file"; fi
        done)
    shellcheck --external-sources "${files[@]}"
}

# One more at once than there are processors: many tests wait for what they have started.
unit_tests() {
    local status=0
    cargo nextest run --workspace --locked --test-threads $(($(nproc) + 1)) || status=$?
    say "documentation tests"
    cargo test --workspace --doc --locked --quiet || status=$?
    return $status
}

build() {
    stage "executables" scripts/build.sh
    built=$stage_ok
}

# After the build: playbooks name modules that do not exist before.
ansible() {
    stage "module documentation" module_documentation
    stage "ansible lints" ansible-lint
    stage "newest ansible-core" newest_is_here
    stage "ansible sanity" scripts/sanity.sh
}

# `ansible-doc` exits with 0 for what it does not know or cannot read, so its list must be ours. That the text is the
# executable's own is a unit test of each.
module_documentation() {
    local listed
    listed=$(ansible-doc --list --json handover.backup | python3 -c 'import json, sys; print(*sorted(json.load(sys.stdin)), sep="\n")')
    diff <(printf 'handover.backup.%s\n' "${executables[@]}" | sort) <(echo "$listed") >&2 || return 1
    [ "$(ansible-doc --json "${executables[@]}" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')" -eq ${#executables[@]} ]
}

# Those of the other processor against ours. Compiled already, if the unit tests are done.
other_processor() {
    if ! $built; then
        warn "not run: the executables were not built"
        return 1
    fi
    scripts/emulated.sh
}

# scenarios_and STAGE...: all scenarios, and these before, several at once: scenarios wait for cron, and for each other's hosts. The
# longest first, so that none is left to run alone.
scenarios_and() {
    local scenario
    local -a stages=("$@")
    $lab clean # what an interrupted run left
    for scenario in objectives grant jobs failure matrix default restore pull $(cd molecule && printf '%s\n' */molecule.yml | xargs dirname); do
        [ -f "molecule/$scenario/molecule.yml" ] || continue
        case ",${SCENARIO:-$scenario}," in *",$scenario,"*) ;; *) continue ;; esac
        case " ${stages[*]} " in *" scenario $scenario "*) ;; *) stages+=("scenario $scenario") ;; esac
    done
    $lab image >/dev/null
    stages_together build/log "$at_once" "${stages[@]}"
}

scenario() {
    if ! $built; then
        warn "not run: the executables were not built"
        return 1
    fi
    timeout --foreground "$scenario_limit" molecule test --scenario-name "$1"
}

# Two runs would remove each other's hosts. The lock is not inherited: hosts that outlive us must not hold it.
if [[ " $* " =~ " "(molecule|tests)" " && -z "${HANDOVER_TEST_LOCKED:-}" ]]; then
    mkdir -p build
    status=0
    HANDOVER_TEST_LOCKED=1 flock --nonblock --close --conflict-exit-code 75 build/.test-lock "$0" "$@" || status=$?
    [ "$status" -ne 75 ] || die "another run of the scenarios is under way in this folder"
    exit "$status"
fi

built=true
for group in "$@"; do
    case $group in
        lint | build | ansible) "$group" ;;
        unit) stage "unit tests" unit_tests ;;
        molecule) scenarios_and ;;
        tests)
            scenarios_and unit_tests
            stage "the other processor" other_processor
            ;;
        *) die "unknown group \`$group\`: known are lint, unit, build, ansible, molecule, tests" ;;
    esac
done
stages_end

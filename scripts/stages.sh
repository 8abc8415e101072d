# shellcheck shell=bash
# Runs named stages one after another, goes on after a failure, and ends with a table and one line of sums. Sourced.

stage_rows=()
stages_passed=0
stages_failed=0
stage_ok=true # whether the last one did not fail

# stage NAME COMMAND...: exit status 0 passes, 77 says "not applicable here" (its last line of stderr says why).
stage() {
    local name=$1 started=$SECONDS status=0
    shift
    say "$name"
    "$@" || status=$?
    stage_result "$name" "$status" $((SECONDS - started))
}

# stage_result NAME STATUS SECONDS: notes how a stage ended.
stage_result() {
    local word
    case $2 in
        0) word=passed stages_passed=$((stages_passed + 1)) ;;
        77) word=skipped ;;
        *) word=FAILED stages_failed=$((stages_failed + 1)) ;;
    esac
    stage_rows+=("$(printf '%-32s %-8s %4d s' "$1" "$word" "$3")")
    # shellcheck disable=SC2034 # read by callers
    stage_ok=$([ "$word" = FAILED ] && echo false || echo true)
}

# stages_together LOGS LIMIT COMMAND NAME...: a stage `COMMAND NAME` for each name, up to LIMIT at once. What each prints
# goes to LOGS/NAME.txt, and is shown if it fails.
stages_together() {
    local logs=$1 limit=$2 command=$3 name pid status
    local -A names=() started=()
    shift 3
    mkdir -p "$logs"
    # Each in a process group of its own, so that an interruption ends all of it.
    set -m
    trap 'for pid in "${!names[@]}"; do kill -TERM -- "-$pid"; done; exit 130' INT TERM
    while [ $# -gt 0 ] || [ ${#names[@]} -gt 0 ]; do
        if [ $# -gt 0 ] && [ ${#names[@]} -lt "$limit" ]; then
            say "$command $1 (output: $logs/$1.txt)"
            "$command" "$1" >"$logs/$1.txt" 2>&1 </dev/null &
            names[$!]=$1 started[$!]=$SECONDS
            shift
            continue
        fi
        status=0
        wait -n -p pid || status=$?
        name=${names[$pid]}
        unset "names[$pid]"
        stage_result "$command $name" "$status" $((SECONDS - started[$pid]))
        say "${stage_rows[-1]}"
        [ "$status" -eq 0 ] || tail -n 300 "$logs/$name.txt" >&2
    done
    trap - INT TERM
    set +m
}

stages_end() {
    printf '\n'
    printf '%s\n' "${stage_rows[@]}"
    printf '%d passed, %d failed\n' "$stages_passed" "$stages_failed"
    [ "$stages_failed" -eq 0 ]
}

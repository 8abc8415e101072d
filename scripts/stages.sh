# shellcheck shell=bash
# Runs named stages one after another, goes on after a failure, and ends with a table and one line of sums. Sourced.

stage_rows=()
stages_passed=0
stages_failed=0
stage_ok=true # whether the last one did not fail

# An interruption ends everything, also where the command of a stage takes it for an ordinary failure.
end_if_interrupted() { trap 'exit 130' INT TERM; }
end_if_interrupted

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

# stages_together LOGS LIMIT STAGE...: up to LIMIT of these at once. A STAGE is a command with its arguments in one word. What
# it prints goes to a file in LOGS that is called as its last word, and is shown if it fails.
stages_together() {
    local logs=$1 limit=$2 log pid status
    local -a words
    local -A running=() started=() output=()
    shift 2
    mkdir -p "$logs"
    # Each in a process group of its own, so that an interruption ends all of it.
    set -m
    trap 'for pid in "${!running[@]}"; do kill -TERM -- "-$pid"; done; wait; exit 130' INT TERM
    while [ $# -gt 0 ] || [ ${#running[@]} -gt 0 ]; do
        if [ $# -gt 0 ] && [ ${#running[@]} -lt "$limit" ]; then
            read -ra words <<<"$1"
            log=$logs/${words[-1]}.txt
            say "$1 (output: $log)"
            "${words[@]}" >"$log" 2>&1 </dev/null &
            running[$!]=$1 started[$!]=$SECONDS output[$!]=$log
            shift
            continue
        fi
        status=0
        wait -n -p pid || status=$?
        stage_result "${running[$pid]}" "$status" $((SECONDS - started[$pid]))
        unset "running[$pid]"
        say "${stage_rows[-1]}"
        [ "$status" -eq 0 ] || tail -n 300 "${output[$pid]}" >&2
    done
    end_if_interrupted
    set +m
}

stages_end() {
    printf '\n'
    printf '%s\n' "${stage_rows[@]}"
    printf '%d passed, %d failed\n' "$stages_passed" "$stages_failed"
    [ "$stages_failed" -eq 0 ]
}

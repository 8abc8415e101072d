# shellcheck shell=bash
# Runs named stages one after another, goes on after a failure, and ends with a table and one line of sums. Sourced.

stage_rows=()
stages_passed=0
stages_failed=0
stage_ok=true # whether the last one did not fail

# stage NAME COMMAND...: exit status 0 passes, 77 says "not applicable here" (its last line of stderr says why).
stage() {
    local name=$1 started=$SECONDS status=0 word
    shift
    say "$name"
    "$@" || status=$?
    case $status in
        0) word=passed stages_passed=$((stages_passed + 1)) ;;
        77) word=skipped ;;
        *) word=FAILED stages_failed=$((stages_failed + 1)) ;;
    esac
    stage_rows+=("$(printf '%-32s %-8s %4d s' "$name" "$word" $((SECONDS - started)))")
    # shellcheck disable=SC2034 # read by callers
    stage_ok=$([ "$word" = FAILED ] && echo false || echo true)
}

stages_end() {
    printf '\n'
    printf '%s\n' "${stage_rows[@]}"
    printf '%d passed, %d failed\n' "$stages_passed" "$stages_failed"
    [ "$stages_failed" -eq 0 ]
}

#!/usr/bin/env bash
# Feeds each reader of what a peer or a damaged disk may hand over with inputs that cargo-fuzz finds, for SECONDS_EACH (default 600) each;
# arguments: targets (default all, see tests/fuzz/targets). What makes one fail is kept in tests/fuzz/artifacts, and becomes a test.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

seconds=${SECONDS_EACH:-600}
if [ $# -gt 0 ]; then
    targets=("$@")
else
    mapfile -t targets < <(cd tests/fuzz/targets && printf '%s\n' *.rs | sed 's/\.rs$//')
fi
have cargo-fuzz || cargo install --locked --quiet cargo-fuzz@0.13.2
rustup toolchain list | grep -q '^nightly' || die "cargo-fuzz needs a nightly compiler: \`rustup toolchain install nightly --profile minimal\`"

# What to begin with: files of every sort as they are in the stores of released formats.
seeds=build/fuzz-seeds
rm -rf "$seeds"
seed() {
    local target=$1 file number=0
    shift
    mkdir -p "$seeds/$target"
    for file in "$@"; do
        number=$((number + 1))
        cp "$file" "$seeds/$target/$number"
    done
}
golden() { find tests/golden -type f -name "$1"; }
mapfile -t found < <(golden manifest.json; golden SHA256SUMS; golden '*.json')
seed manifest "${found[@]}"
mapfile -t found < <(golden '*.parts')
seed parts "${found[@]}"
mapfile -t found < <(golden 'data.tar.zst')
seed frames "${found[@]}"
mkdir -p "$seeds"/{catalog,members,job}
find tests/golden -name catalog.jsonl.zst | head -n1 | xargs -r zstd -dcq | split --lines=1 --additional-suffix=.line - "$seeds/catalog/"
find tests/golden -name data.tar.zst | head -n1 | xargs -r zstd -dcq 2>/dev/null | { head -c 65536; cat >/dev/null; } >"$seeds/members/1"
mkdir -p "$seeds/arguments"
printf '%s' '{"action": "run", "job": "shop", "config": "/etc/handover", "kind": "full", "count": "3", "path": ["/srv", 7], "keep": "yes", "delete": null, "_ansible_check_mode": true, "_ansible_verbosity": 2}' >"$seeds/arguments/1"
printf '%s' '{"action": "status", "job": "shop", "part": "", "_ansible_no_log": "false"}' >"$seeds/arguments/2"
awk '/^.``/ { inside = /yaml$/; next } inside' docs/configuration.md >"$seeds/job/1"

for target in "${targets[@]}"; do
    mkdir -p "tests/fuzz/corpus/$target" "$seeds/$target"
    say "fuzzing $target for $seconds s"
    cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" "tests/fuzz/corpus/$target" "$seeds/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 2>&1 | grep -E '^(stat::|SUMMARY|==|.*ERROR|Done)' || die "$target: see tests/fuzz/artifacts/$target"
done

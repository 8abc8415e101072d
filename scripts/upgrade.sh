#!/usr/bin/env bash
# Runs the tests of tests/upgrade.rs with the executables of an earlier commit beside ours: `scripts/upgrade.sh COMMIT`, default the newest
# tag. They are built once for each commit, in .cache/.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

wanted=${1:-$(git describe --tags --abbrev=0 2>/dev/null)} || die "there is no tag: name the commit with which to compare"
commit=$(git rev-parse --verify --quiet "$wanted^{commit}") || die "$wanted is no commit"
sources=$PWD/.cache/earlier/$commit
if [ ! -e "$sources/complete" ]; then
    say "building the executables of $wanted"
    rm -rf "$sources"
    mkdir -p "$sources"
    git archive "$commit" | tar -x -C "$sources"
    packages=()
    for name in "${executables[@]}"; do packages+=(--package "${name//_/-}"); done
    CARGO_TARGET_DIR=.cache/earlier/target cargo build --manifest-path "$sources/Cargo.toml" --locked --bins "${packages[@]}"
    mkdir "$sources/bin"
    cp "${executables[@]/#/.cache/earlier/target/debug/}" "$sources/bin"
    touch "$sources/complete"
fi
cargo build --package backup-tests --examples --locked
HANDOVER_EARLIER=$sources/bin cargo nextest run --package backup-tests --locked --test upgrade --run-ignored only

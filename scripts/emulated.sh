#!/usr/bin/env bash
# Runs sources and sinks of the other processor, emulated (qemu-user), against ours: the tests of tests/upgrade.rs, with the executables that
# `scripts/build.sh` built for it in the place of an earlier release's.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

case $(host_arch) in x86_64) other=aarch64 ;; *) other=x86_64 ;; esac
emulator=qemu-$other-static
if ! have "$emulator"; then
    warn "$emulator is not installed (package qemu-user-static): executables for $other are not run here"
    exit 77
fi
folder=$PWD/.cache/emulated/bin
rm -rf "$folder"
mkdir -p "$folder"
for name in "${executables[@]}"; do
    program=$PWD/libexec/${name}_linux_$other
    [ -x "$program" ] || die "$program is missing: run \`make build\`"
    printf '#!/bin/sh\nexec %s %q "$@"\n' "$emulator" "$program" >"$folder/$name"
done
chmod +x "$folder"/*
cargo build --package backup-tests --examples --locked
HANDOVER_EARLIER=$folder cargo nextest run --package backup-tests --locked --test upgrade --run-ignored only

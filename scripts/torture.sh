#!/usr/bin/env bash
# Goes through all faults of which `make test` tries some: every call of collect, transport, rotate and restore with which they reach
# files and processes is killed and fails, in every way in which it can; the power of both hosts is cut more than a hundred times.
# FILTER="test(restore)" restricts it, in nextest's words; FAULTS=200 tries so many of each test's faults, other ones each time, and
# FAULTS=2/3 the second of three parts: hours can be cut into pieces, and go on elsewhere.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

filter=${FILTER:-all()}
export HANDOVER_TORTURE=${FAULTS:-all}
say "every call, every fault: hours on two processors; each test tells at its end what it went through"
cargo build --package backup-tests --examples --locked
cargo nextest run --package backup-tests --tests --locked --profile torture --test-threads $(($(nproc) + 1)) -E "$filter"

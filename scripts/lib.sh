# shellcheck shell=bash
# What every script here needs: the project's root, the tools' PATH, and one way to speak. Sourced, never run.

set -euo pipefail
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

venv=$root/.venv
export PATH="$venv/bin:${CARGO_HOME:-$HOME/.cargo}/bin:/usr/local/sbin:/usr/sbin:/sbin:$PATH"

say() { printf '==> %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or by sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo -- "$@"
    else
        die "\`$*\` needs root, and sudo is not installed: run make as root once"
    fi
}

# The executables of this project; every script and check reads the list from here.
# shellcheck disable=SC2034 # used where this is sourced
executables=(backup_collect backup_transport backup_rotate backup_restore backup_job backup_plan)

# The processor of this machine in Rust's and Ansible's word.
host_arch() {
    case $(uname -m) in
        x86_64 | amd64) echo x86_64 ;;
        aarch64 | arm64) echo aarch64 ;;
        *) die "processor $(uname -m) is not supported: build on x86_64 or aarch64" ;;
    esac
}

# The release that this tree builds: version and digest of all that the executables are made from, equal for all processors.
release() {
    local version digest
    version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
    digest=$(find Cargo.toml Cargo.lock modules/*/{Cargo.toml,src,assets} -type f 2>/dev/null | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum)
    echo "$version+${digest:0:12}"
}

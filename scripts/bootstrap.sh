#!/usr/bin/env bash
# Installs what the given parts of the project need and is not there yet; says what it installs, by name.
# Parts: build test lab bench (packages of scripts/packages.txt), rust, python, cargo, mutants. Nothing to do takes a moment.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

cargo_tools=(cargo-nextest@0.9.143 cargo-deny@0.20.2)
mutants_tool=cargo-mutants@27.1.0
rust_targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl)

# --- packages -------------------------------------------------------------------------------------------------------

policy=/usr/sbin/policy-rc.d

# Packages of services start them, and enable them at boot. A build must not open this machine's port 22:
# `policy-rc.d` forbids the start while apt runs; what is new is disabled afterwards.
forbid_service_start() {
    restore_service_start # from a run that was killed
    as_root rm -f "$policy.before-handover"
    if [ -e "$policy" ]; then as_root cp -p "$policy" "$policy.before-handover"; fi
    as_root touch "$policy.by-handover"
    trap restore_service_start EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 0755 "$policy"
}

restore_service_start() {
    [ -e "$policy.by-handover" ] || return 0
    if [ -e "$policy.before-handover" ]; then
        as_root mv "$policy.before-handover" "$policy"
    else
        as_root rm -f "$policy"
    fi
    as_root rm -f "$policy.by-handover"
}

disable_units_of() {
    have systemctl || return 0
    local unit
    dpkg -L "$@" | sed -nE 's,^(/usr)?/lib/systemd/system/([^/@]+\.(service|socket|timer|path))$,\2,p' |
        while read -r unit; do
            as_root systemctl -q disable "$unit" >/dev/null 2>&1 || warn "$unit stays enabled at boot"
        done
}

install_packages() {
    local wanted missing
    mapfile -t wanted < <(awk -v groups=" $* " '!/^#/ && NF == 2 && index(groups, " " $1 " ") { print $2 }' scripts/packages.txt | sort -u)
    if ! have apt-get; then
        warn "no apt-get here: these must be there under whatever name this system gives them: ${wanted[*]}"
        return 0
    fi
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    [ ${#missing[@]} -gt 0 ] || return 0
    forbid_service_start
    apt_install "${missing[@]}"
    restore_service_start
    disable_units_of "${missing[@]}"
}

apt_install() {
    say "installing packages: $*"
    as_root apt-get -qq update || warn "the package lists could not be renewed; trying with those that are there"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq --no-install-recommends install "$@" >/dev/null
}

missing_packages() {
    comm -23 <(printf '%s\n' "$@") \
        <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii  *//p' | sort -u)
}

# --- rust -----------------------------------------------------------------------------------------------------------

install_rust_targets() {
    have cargo || die "cargo is not installed: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer with rustup"
    if ! have rustup; then
        warn "no rustup: cross targets cannot be added; scripts/build.sh builds what it can"
        return 0
    fi
    local target installed
    installed=$(rustup target list --installed)
    for target in "${rust_targets[@]}"; do
        grep -qx "$target" <<<"$installed" && continue
        say "installing Rust target: $target"
        rustup target add "$target" || warn "target $target cannot be added; scripts/build.sh builds without it"
    done
}

install_cargo_tool() {
    local tool=${1%@*} version=${1#*@}
    have "$tool" && return 0 # any version will do; the pinned one is for machines that have none
    say "installing cargo tool: $tool $version (compiles for some minutes)"
    cargo install --quiet --locked --version "$version" "$tool"
}

# --- python ---------------------------------------------------------------------------------------------------------

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

install_python_tools() {
    local interpreter
    cmp -s requirements.txt "$venv/installed.txt" && return 0
    if ! interpreter=$(find_python); then
        have apt-get || die "no Python 3.11 or newer with its venv module: install one"
        apt_install python3-venv
        interpreter=$(find_python) || die "no Python 3.11 or newer with its venv module, and python3-venv brings none: install one"
    fi
    say "installing Python tools into .venv: $(sed -n '/^# What those need/q; s/==/ /p' requirements.txt | paste -sd, | sed 's/,/, /g')"
    "$interpreter" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement requirements.txt
    cp requirements.txt "$venv/installed.txt" # last: an interrupted installation starts over
}

# --- what was asked for ---------------------------------------------------------------------------------------------

groups=()
for part in "$@"; do
    case $part in build | test | lab | bench) groups+=("$part") ;; esac
done
[ ${#groups[@]} -eq 0 ] || install_packages "${groups[@]}"
for part in "$@"; do
    case $part in
        build | test | lab | bench) ;;
        rust) install_rust_targets ;;
        python) install_python_tools ;;
        mutants) install_cargo_tool "$mutants_tool" ;;
        cargo) for tool in "${cargo_tools[@]}"; do install_cargo_tool "$tool"; done ;;
        *) die "unknown part \`$part\`: known are build, test, lab, bench, rust, python, cargo, mutants" ;;
    esac
done

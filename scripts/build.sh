#!/usr/bin/env bash
# Builds the executables for each architecture into libexec/<name>_linux_<arch>, where the action plugins and the roles take them from,
# their man pages and completions into libexec/share.tar, and notes there which release they are. An architecture without a target here is
# reported and left out, unless it is this machine's own.
# Arguments: architectures, or `native`; default all.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || set -- x86_64 aarch64
arches=("${@/#native/$(host_arch)}")
no_target=3
HANDOVER_RELEASE=$(release) # the executables know it by this
export HANDOVER_RELEASE
max_bytes=$((4 * 1000 * 1000)) # every task that transfers an executable pays for its size

# Prints the target to build an architecture for; says why on stderr if there is none.
target_for() {
    local arch=$1 musl=$1-unknown-linux-musl glibc=$1-unknown-linux-gnu
    if [ -d "$(rustc --print sysroot)/lib/rustlib/$musl/lib" ] && have cargo-zigbuild; then
        echo "$musl"
    elif [ "$arch" = "$(host_arch)" ]; then
        warn "no target $musl or no cargo-zigbuild: building $arch with static glibc instead"
        echo "$glibc"
    else
        warn "$arch is not built: \`rustup target add $musl\` and cargo-zigbuild (\`make bootstrap\`) are needed"
        return 1
    fi
}

compile() {
    local target=$1 packages=() name
    for name in "${executables[@]}"; do packages+=(--package "${name//_/-}"); done
    case $target in
        *-musl) cargo zigbuild --release --locked --bins --target "$target" "${packages[@]}" ;;
        *) RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --bins --target "$target" "${packages[@]}" ;;
    esac
}

# An executable goes to hosts of which we know nothing: no loader, no libraries, no symbols, and not too large to copy.
check() {
    local file=$1 arch=$2 elf size
    size=$(stat -c %s "$file")
    elf=$(readelf --file-header --program-headers --dynamic --section-headers --wide "$file")
    case $arch/$(sed -n 's/^ *Machine: *//p' <<<"$elf") in
        x86_64/*X86-64 | aarch64/AArch64) ;;
        *) die "$file is not an executable for $arch" ;;
    esac
    case $elf in
        *INTERP*) die "$file is not statically linked: it asks for a loader" ;;
        *"(NEEDED)"*) die "$file is not statically linked: it asks for shared libraries" ;;
        *.symtab* | *.debug_info*) die "$file is not stripped" ;;
    esac
    ! grep -q HANDOVER_FAULT "$file" || die "$file can be killed at named points: it was built with the feature fault-points"
    [ "$size" -le "$max_bytes" ] || die "$file has $size bytes, more than $max_bytes"
    printf '    %-28s %4d kB  %s\n' "$(basename "$file")" $((size / 1000)) "$3" >&2
}

# Puts a file in place only if it differs, so that nothing that depends on it is done again.
place() {
    cmp -s "$1" "$2" || install -D -m 0755 "$1" "$2"
}

build() {
    local arch=$1 target name built
    target=$(target_for "$arch") || return "$no_target"
    built=${CARGO_TARGET_DIR:-target}/$target/release
    say "building for $arch ($target)"
    compile "$target" || return 1
    for name in "${executables[@]}"; do
        check "$built/$name" "$arch" "$target"
        place "$built/$name" "libexec/${name}_linux_$arch" || return 1
    done
}

# Man pages and completions as they lie below / on a host of any architecture; the same bytes from the same texts, so that no host is
# changed without a reason. Made by a program that is built as the tests are, which is quick.
share() {
    local folder
    say "writing man pages and completions"
    folder=$(mktemp -d)
    env --unset=HANDOVER_RELEASE cargo run --quiet --locked --package backup-manual -- "$folder"
    (cd "$folder" && find . -type f -printf '%P\n' | LC_ALL=C sort) |
        tar --create --file libexec/share.tar --directory "$folder" --format=ustar --owner=root:0 --group=root:0 --mode=0644 \
            --mtime='2000-01-01 00:00:00 UTC' --files-from=-
    rm -r "$folder"
}

# An executable of an earlier build must not pass for one of this.
forget() { rm -f libexec/*_linux_"$1"; }

# Only executables of this release are left: what was not built now may be of an earlier one.
note_release() {
    if [ "$(cat libexec/RELEASE 2>/dev/null)" != "$HANDOVER_RELEASE" ]; then
        for arch in x86_64 aarch64; do
            case " ${arches[*]} " in *" $arch "*) ;; *) forget "$arch" ;; esac
        done
        echo "$HANDOVER_RELEASE" >libexec/RELEASE
    fi
}

mkdir -p libexec
note_release
share
failed=()
left_out=()
for arch in "${arches[@]}"; do
    status=0
    (build "$arch") || status=$?
    [ "$status" -eq 0 ] || forget "$arch"
    case $status in
        0) ;;
        "$no_target") left_out+=("$arch") ;;
        *) failed+=("$arch") ;;
    esac
done
[ ${#left_out[@]} -eq 0 ] || warn "left out: ${left_out[*]}; hosts of that kind cannot be served from here"
[ ${#failed[@]} -eq 0 ] || die "not built: ${failed[*]}"

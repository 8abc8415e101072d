#!/bin/sh
# Restores one generation with plain tools: a POSIX shell, GNU tar (or bsdtar), zstd, and GNU's sha256sum, dd, xargs.
# RESTORE.txt beside this script says what it does and how to do it by hand.
#
#   restore.sh [--force] <generation> <target>
#
# <generation>  the directory <store>/<job>/<stream>/<id>; the base of an incremental is looked for beside it
# <target>      an empty or new directory: /srv/shop is restored as <target>/srv/shop, dumps as <target>/dump-...
# --force       extract over what is in <target>
#
# Nothing in a generation is ever executed. Until everything has been compared, <target> has a folder
# .restore-incomplete: what lies beside it does not count as restored.
set -u
LC_ALL=C # names are bytes
export LC_ALL
self=$0
target=
work= # the marker, and what this script needs to remember meanwhile

say() { printf 'restore.sh: %s\n' "$*" >&2; }

# fail <what is wrong> <remedy>
fail() {
    say "$1"
    say "$2"
    [ -z "$work" ] || say "$target is incomplete, which the folder .restore-incomplete in it says. Empty it before the next attempt."
    exit 1
}

damaged() { fail "$1" "Choose another generation, or fetch this one again from where it is intact."; }

usage() {
    sed -n '/^#   restore/,/^# --force/s/^# \{0,1\}//p' "$self" >&2
    exit 2
}

# --- what a generation says about itself: manifest.json, as it is written, has one field per line ---------------------

# field <generation> <name>: a string or number at the top.
field() { sed -n "s/^  \"$2\": \"\{0,1\}\([^\",{]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$1/manifest.json"; }

# base <generation> <name>: a string of the object `base`.
base() { sed -n "/^  \"base\": {\$/,/^  }/s/^    \"$2\": \"\([^\"]*\)\",\{0,1\}\$/\1/p" "$1/manifest.json"; }

# artifacts <generation>: their names, one per line.
artifacts() { sed -n '/^  "artifacts": {$/,/^  }/s/^    "\(.*\)": {$/\1/p' "$1/manifest.json"; }

# plain <generation> <artifact> <name>: the field plain_<name> of an artifact.
plain() {
    escaped=$(printf '%s' "$2" | sed 's/[./]/\\&/g')
    sed -n "/^  \"artifacts\": {\$/,/^  }/{
        /^    \"$escaped\": {\$/,/^    }/s/^      \"plain_$3\": \"\{0,1\}\([0-9a-f]*\)\"\{0,1\},\{0,1\}\$/\1/p
    }" "$1/manifest.json"
}

# has <generation> <artifact>
has() { [ -n "$(plain "$1" "$2" sha256)" ]; }

sha256() { sha256sum | sed 's/ .*//'; }

# check <generation>: every stored byte is as it was sealed, and the seal covers what the manifest lists.
check() {
    [ -f "$1/SHA256SUMS" ] || fail "$1 has no SHA256SUMS: it was never completed" "Choose another generation."
    say "checking $1"
    [ -z "$(find "$1" ! -type f ! -type d)" ] || damaged "$1 holds something that is neither a file nor a directory"
    name='manifest\.json\|catalog\.jsonl\.zst\|data\.tar\.zst\|deleted\.list\|patches/[0-9]*\.zst\|patches/[0-9]*\.parts\|dump-[A-Za-z0-9._-]*'
    if grep -qv "^[0-9a-f]\{64\}  \($name\)\$" "$1/SHA256SUMS"; then
        damaged "$1/SHA256SUMS has a line that does not belong there"
    fi
    if ! report=$(cd -- "$1" && sha256sum -c SHA256SUMS 2>&1); then
        damaged "$1 is damaged: $(printf '%s' "$report" | grep -v ': OK$')"
    fi
    sealed=$(sed 's/^[0-9a-f]*  //' "$1/SHA256SUMS" | sort)
    [ "$sealed" = "$({ echo manifest.json && artifacts "$1"; } | sort)" ] ||
        damaged "manifest.json and SHA256SUMS of $1 do not name the same files"
    [ "$(field "$1" format)" = 1 ] || fail "$1 has format $(field "$1" format), and this script reads format 1" \
        "Use the restore.sh of the version that wrote it."
}

# --- names: all of these work inside the target -----------------------------------------------------------------------

# inside <path>: refuses a path that leads out of the target: absolute, with `..`, or through a symbolic link.
inside() {
    rest=$1
    parent=
    while :; do
        part=${rest%%/*}
        case $part in '' | . | ..) fail "the path $1 leads out of the target" "Do not trust this generation." ;; esac
        [ "$part" != "$rest" ] || return 0
        parent=$parent$part
        [ ! -L "$parent" ] || fail "the path $1 leads through the symbolic link $parent" "Do not trust this generation."
        parent=$parent/
        rest=${rest#*/}
    done
}

# remove <path>...: what deleted.list names. xargs calls this script for it, because a shell cannot read NUL.
remove() {
    for path; do
        inside "$path"
        rm -rf -- "$path" || fail "cannot remove $path" "See the message above."
    done
}

# members_inside <generation>: GNU tar writes and links through what the base left behind, and through what the same
# archive has just put there (bsdtar does neither). In C's quoting a quote within a name has a backslash before it.
members_inside() {
    [ "$flavour" = gnu ] || return 0
    zstd -dcq "$1/data.tar.zst" | "$tar" -tvf - --numeric-owner --quoting-style=c |
        sed -e 's:" -> ".*:":' -e 's:^\(.\)[^"]*":\1:' -e 's:"$::' >"$work/members"
    # Type and name, for a hard link followed by its target.
    sed -e 's:" link to ".*::' -e 's:/*$::' "$work/members" >"$work/names"
    sed -n -e 's/^.//' -e 's:/[^/]*$::p' "$work/names" | uniq >"$work/parents"
    sed -n '/^[^d]/s/^.//p' "$work/names" | sort -u >"$work/leaves"
    through=$(sed -n -e p -e ':up' -e 's:/[^/]*$::p' -e 'tup' "$work/parents" | sort -u | sort - "$work/leaves" | uniq -d)
    [ -z "$through" ] || fail "paths lead through what is not a directory: $through" "Do not trust this generation."
    { sed 's:$:/x:' "$work/parents" && sed -n 's:^h.*" link to "::p' "$work/members"; } |
        while IFS= read -r path; do
            case $path in
                *\\*)
                    # shellcheck disable=SC2059 # the escapes of a tar listing are those of a printf format
                    path=$(printf "$(printf '%s' "$path" | sed 's/%/%%/g')")
                    ;;
            esac
            inside "$path"
        done || exit 1
}

# --- putting things back: all of these work inside the target ---------------------------------------------------------

# extract <generation>: the tar stream, compared while it is extracted: tar does not notice that a frame is missing.
extract() {
    has "$1" data.tar.zst || return 0
    say "extracting $1"
    rm -f "$work/digest" "$work/length"
    mkfifo "$work/digest" "$work/length" || fail "cannot make a FIFO in $work" "Restore to a file system that has FIFOs."
    sha256 <"$work/digest" >"$work/digest.is" &
    wc -c <"$work/length" >"$work/length.is" &
    zstd -dcq "$1/data.tar.zst" | tee "$work/digest" "$work/length" | untar ||
        { wait; fail "$tar did not extract everything" "See the messages above."; }
    wait
    if [ "$(cat "$work/digest.is")" != "$(plain "$1" data.tar.zst sha256)" ] ||
        [ "$(($(cat "$work/length.is")))" != "$(plain "$1" data.tar.zst bytes)" ]; then
        damaged "the contents of $1/data.tar.zst are not what was collected: part of it is missing or wrong"
    fi
    # What an archive put here is not written through.
    { [ ! -L "$work" ] && find "$work" -mindepth 1 -delete; } || fail "cannot empty $work" "See the message above."
}

untar() {
    case $flavour in
        gnu) "$tar" --numeric-owner --xattrs --xattrs-include='*' --acls -xpf - ;;
        bsd) LC_ALL=C.UTF-8 "$tar" --numeric-owner --xattrs --acls -xpf - ;;
    esac
}

# patch <generation> <number>: the changed blocks of one large file.
patch() {
    block=$(field "$1" block)
    zstd -dcq "$1/patches/$2.zst" | {
        { read -r key path && [ "$key" = path ] && read -r key size && [ "$key" = size ] &&
            read -r key mtime && [ "$key" = mtime ] && read -r key digest && [ "$key" = sha256 ]; } <&3 ||
            damaged "$1/patches/$2.parts does not begin as it should"
        file=$(printf '%bx' "$path")
        file=${file%x}
        inside "$file"
        { [ -f "$file" ] && [ ! -L "$file" ]; } || damaged "the file $path, which $1/patches/$2 changes, is missing"
        # The kernel drops capabilities of a file that is written to.
        cp --attributes-only --preserve=all -- "$file" "$work/attributes" || fail "cannot copy attributes" "See above."
        while read -r offset length <&3; do
            dd of="$file" bs="$block" seek=$((offset / block)) count=$(((length + block - 1) / block)) \
                iflag=fullblock conv=notrunc 2>"$work/dd" || fail "cannot write to $path: $(cat "$work/dd")" "See above."
        done
        # dd cuts its output at the place where it begins to write.
        dd if=/dev/null of="$file" bs=1 seek="$size" 2>"$work/dd" || fail "cannot set the size of $path" "See above."
        cp --attributes-only --preserve=mode,ownership,xattr -- "$work/attributes" "$file" &&
            touch -d "@$mtime" -- "$file" || fail "cannot set the attributes of $path" "See above."
        [ "$(sha256 <"$file")" = "$digest" ] || damaged "$path is not what was collected after patching"
    } 3<"$1/patches/$2.parts" || exit 1
}

# dump <generation> <artifact>: decompressed beside the tree, for its owner's eyes only.
dump() {
    file=${2%.*}
    [ ! -L "$file" ] || fail "$target/$file is a symbolic link" "Do not trust this generation, or remove the link."
    [ "$force" = yes ] || [ ! -e "$file" ] || fail "$target/$file is there already" "Restore to an empty directory."
    say "decompressing $2"
    (
        umask 077
        case $2 in
            *.zst) zstd -dcq "$1/$2" >"$file" ;;
            *.gz) gzip -dc <"$1/$2" >"$file" ;;
        esac
    ) || fail "cannot decompress $1/$2" "See the message above."
    [ "$(sha256 <"$file")" = "$(plain "$1" "$2" sha256)" ] || damaged "the contents of $1/$2 are not what was collected"
}

# --- the work ---------------------------------------------------------------------------------------------------------

if [ "${1:-}" = remove-inside ]; then
    shift
    remove "$@"
    exit 0
fi

force=no
if [ "${1:-}" = --force ]; then
    force=yes
    shift
fi
[ $# -eq 2 ] || usage

for tool in zstd sha256sum dd xargs sed grep sort uniq find tee wc mkfifo cp touch; do
    command -v "$tool" >/dev/null || fail "the program $tool is missing" "Install it."
done
# The environment may name another tar. What busybox calls tar writes junk for sparse files and loses attributes.
tar=
for candidate in "${TAR:-tar}" gtar bsdtar; do
    case $("$candidate" --version 2>/dev/null) in
        *"GNU tar"*) tar=$candidate flavour=gnu ;;
        *bsdtar*) tar=$candidate flavour=bsd ;;
    esac
    [ -z "$tar" ] || break
done
[ -n "$tar" ] || fail "there is neither GNU tar nor bsdtar, and busybox tar cannot restore this format" \
    "Install GNU tar, or name it: TAR=/path/to/tar restore.sh ..."
[ "$(id -u)" = 0 ] || say "not root: owners and privileged attributes cannot be restored"

# absolute <path>: of a directory that exists.
absolute() { (cd -- "$1" && pwd -P) || fail "$1 is not a directory that can be entered" "Correct the path."; }

self=$(absolute "$(dirname -- "$self")")/$(basename -- "$self")
generation=$(absolute "$1") || exit 1
check "$generation"
kind=$(field "$generation" kind)
full=
case $kind in
    full) ;;
    incremental)
        full=$(dirname -- "$generation")/$(base "$generation" id)
        [ -d "$full" ] || fail "$generation needs its base $full, which is not there" \
            "Fetch the base from the sink and put it beside, or choose a full."
        check "$full"
        [ "$(sha256 <"$full/SHA256SUMS")" = "$(base "$generation" digest)" ] ||
            fail "$full is not the generation that $generation was made from: its digest is another one" \
                "Fetch the base from where the incremental came from."
        ;;
    *) damaged "the manifest of $generation says neither full nor incremental" ;;
esac

mkdir -p -- "$2" || fail "cannot make $2" "Name another target."
target=$(absolute "$2") || exit 1
cd -- "$target" || exit 1
[ "$force" = yes ] || [ -z "$(find . ! -name . -prune)" ] || fail "$target is not empty" \
    "Name an empty or new directory, or extract over it with --force."
mkdir -p .restore-incomplete || fail "cannot write to $target" "Name another target."
work=$target/.restore-incomplete
trap 'fail "interrupted" "Start again."' HUP INT TERM
umask 022 # directories above what was collected

[ -z "$full" ] || extract "$full"
if has "$generation" deleted.list; then
    xargs -0 sh "$self" remove-inside <"$generation/deleted.list" || fail "deleted.list was not applied" "See above."
fi
if [ -n "$full" ] && has "$generation" data.tar.zst; then
    members_inside "$generation"
fi
extract "$generation"
# Every name was checked to be one of a few characters: splitting at white space is safe.
for artifact in $(artifacts "$generation"); do
    case $artifact in
        patches/*.parts)
            artifact=${artifact#patches/}
            patch "$generation" "${artifact%.parts}"
            ;;
        dump-*) dump "$generation" "$artifact" ;;
    esac
done

rm -rf -- "$work" || fail "cannot remove $work" "Everything was restored and compared; remove it by hand."
say "restored $(field "$generation" id) ($kind) to $target"
say "digest $(sha256 <"$generation/SHA256SUMS"); whether a sink signed it: see RESTORE.txt"

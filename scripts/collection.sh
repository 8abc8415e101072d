#!/usr/bin/env bash
# Packs the collection handover.backup into build/: what git knows of these folders, and the executables. `tree` only lays it out in
# build/ansible_collections/handover/backup, where ansible-test wants it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

parts=(galaxy.yml README.md CHANGELOG.md LICENSE meta plugins library roles playbooks docs)
tree=build/ansible_collections/handover/backup

lay_out() {
    local file target
    rm -rf "$tree"
    while read -r file; do
        # plugins/modules is library/ of this project: the collection has it there.
        case $file in
            plugins/modules) continue ;;
            library/*) target=plugins/modules/${file#library/} ;;
            *) target=$file ;;
        esac
        install -D -m 0644 "$file" "$tree/$target"
    done < <(git ls-files --cached --others --exclude-standard -- "${parts[@]}")
}

pack() {
    [ -s libexec/RELEASE ] || die "nothing is built: run \`make build\`"
    install -d "$tree/libexec"
    install -m 0755 libexec/*_linux_* "$tree/libexec/"
    install -m 0644 libexec/RELEASE libexec/share.tar "$tree/libexec/"
    (cd "$tree" && ansible-galaxy collection build --force --output-path "$root/build")
}

lay_out
[ "${1:-}" = tree ] || pack

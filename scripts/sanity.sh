#!/usr/bin/env bash
# Ansible's own sanity tests, all of them and without exceptions, over the collection as it would be packed, with the newest ansible-core.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=cores.sh
. "$(dirname "$0")/cores.sh"

# No tests of the tests' own: Ansible's would run PowerShell's linter for a collection that has none of it.
bin=$(newest)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
scripts/collection.sh tree
mkdir -p "$room/ansible_collections/handover" "$room/home/.ansible/test/cache" "$room/home/.config/pip" "$room/home/.cache"
cp -r build/ansible_collections/handover/backup "$room/ansible_collections/handover/"
! find "$room" -path '*/tests/sanity/ignore*' | grep . || die "the sanity tests have exceptions"

# ansible-test fetches pip from a place of its own; the interpreter has one that can fetch that version.
version=$(sed -n "s/^ *pip='\([0-9.]*\)',$/\1/p" "$("$bin/python" -c 'import ansible_test; print(*ansible_test.__path__)')/_internal/python_requirements.py")
[ -n "$version" ] || die "this ansible-test does not say which pip it wants"
cat >"$room/home/.ansible/test/cache/get_pip_${version//./_}.py" <<TEXT
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pip==$version"])
TEXT

# It passes no variables on to pip, and has a home of its own here: what pip is told, and what it has fetched before, must be found there.
pip_settings() {
    local variable
    echo "[global]"
    [ -z "${https_proxy:-}" ] || echo "proxy = $https_proxy"
    for variable in $(compgen -e PIP_ || true); do
        variable=${variable#PIP_}
        echo "$(tr 'A-Z_' 'a-z-' <<<"$variable") = $(printenv "PIP_$variable")"
    done
}
pip_settings >"$room/home/.config/pip/pip.conf"
mkdir -p "$HOME/.cache/pip"
ln -s "$HOME/.cache/pip" "$room/home/.cache/pip"
for own in "$HOME/.config/pip" "$HOME/.pip"; do
    [ ! -d "$own" ] || [ -e "$room/home/.pip" ] || ln -s "$own" "$room/home/.pip"
done

cd "$room/ansible_collections/handover/backup"
export HOME=$room/home PATH="$bin:$PATH"
python=$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ansible-test sanity --local --python "$python" --color no "$@"

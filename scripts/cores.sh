# shellcheck shell=bash
# The oldest ansible-core that is supported and the newest, each in a virtual environment of its own under .cache/. Sourced after lib.sh.

oldest_core=2.16.19
newest_core=2.21.5

# Prints the first interpreter of these versions that is there, also one that pyenv keeps out of sight.
python_of() {
    local version candidate
    for version in "$@"; do
        for candidate in "python$version" "$({ have pyenv && pyenv root; } || true)/versions/$version".*/bin/python; do
            if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
                echo "$candidate"
                return
            fi
        done
    done
    return 1
}

# core VERSION PYTHON...: the folder with that ansible-core's commands; installs it first if it is not there. 2.16 runs on Python 3.10 to
# 3.12 and 2.21 on 3.12 to 3.14.
core() {
    local version=$1 folder=$PWD/.cache/ansible-core-$1 python
    shift
    if [ ! -e "$folder/complete" ]; then
        python=$(python_of "$@") || die "ansible-core $version needs one of the Pythons $*: install one"
        say "installing ansible-core $version with $python"
        "$python" -m venv --clear "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check "ansible-core==$version"
        touch "$folder/complete"
    fi
    echo "$folder/bin"
}

oldest() { core "$oldest_core" 3.11 3.10 3.12; }

# Where no Python can run it, the newest is the one that requirements.txt names; newest_is_here says so.
newest() {
    if newest_is_here; then
        core "$newest_core" 3.12 3.13
    else
        echo "${venv:?}/bin"
    fi
}

newest_is_here() {
    ! python_of 3.12 3.13 >/dev/null || return 0
    warn "no Python 3.12 or 3.13 here: ansible-core $newest_core is not tested, $("${venv:?}/bin/ansible" --version | sed -n '1s/.*core \(.*\)]/\1/p') is in its place"
    return 77
}

# What surrounds a run, molecule's own settings among it, is not what is tested.
forget_surroundings() {
    unset ANSIBLE_CONFIG ANSIBLE_LIBRARY ANSIBLE_ACTION_PLUGINS ANSIBLE_COLLECTIONS_PATH ANSIBLE_ROLES_PATH
    export ANSIBLE_HOST_KEY_CHECKING=false
}

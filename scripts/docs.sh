#!/usr/bin/env bash
# Writes what is generated and committed: the modules' documentation and the roles' README files.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

for name in "${executables[@]}"; do
    "libexec/${name}_linux_$(host_arch)" docs >"library/$name.py.new"
    mv "library/$name.py.new" "library/$name.py"
done
python3 scripts/role_readme.py

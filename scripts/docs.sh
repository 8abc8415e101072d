#!/usr/bin/env bash
# Writes what is generated and committed: the modules' documentation and the roles' README files.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

for name in "${executables[@]}"; do
    "library/$name" docs >"library/$name.yml.new"
    mv "library/$name.yml.new" "library/$name.yml"
done
python3 scripts/role_readme.py

# Every target installs first what it needs and does not find; that takes a moment when nothing is missing.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# What `make bench` measures, and how: see tests/bench/README.md.
BENCH ?=
# Scenarios to run, separated by commas; default: all.
SCENARIO ?=
export SCENARIO

bootstrap = @scripts/bootstrap.sh

.PHONY: help demo build collection test lint unit molecule mutants docs lab clean bootstrap bench bench-plan torture fuzz

help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## Back two small hosts up to each other and restore, in some minutes
	$(bootstrap) build lab rust python
	@scripts/build.sh native
	@scripts/demo.sh

build: ## Build the executables for x86_64 and aarch64 into libexec/
	$(bootstrap) build rust python
	@scripts/build.sh

test: bootstrap ## Run everything: static checks, build, unit tests, all scenarios
	@scripts/test.sh lint build ansible tests

lint: ## Run the static checks
	$(bootstrap) build test rust python cargo
	@scripts/test.sh lint build ansible

unit: ## Run the tests of the Rust workspace
	$(bootstrap) build test rust python cargo
	@scripts/test.sh unit

molecule: ## Run the molecule scenarios (SCENARIO=a,b: only these)
	$(bootstrap) build lab rust python
	@scripts/test.sh build molecule

bench: ## Compare with restic, borg, tar and others, for an hour (BENCH="a --scale 0.1": less; not part of test)
	$(bootstrap) build test bench rust python
	@scripts/build.sh native
	@python3 tests/bench/run.py $(BENCH)

bench-plan: ## Measure what planning and retention cost, and how that grows (not part of test)
	$(bootstrap) build rust
	@cargo bench --package backup-core

torture: ## Let every call of every executable fail in every way, for hours (not part of test, which does some of it)
	$(bootstrap) build test rust python cargo
	@scripts/torture.sh

fuzz: ## Feed every reader of foreign bytes with what cargo-fuzz finds, ten minutes each (TARGETS="manifest job"; not part of test)
	$(bootstrap) build test rust
	@scripts/fuzz.sh $(TARGETS)

mutants: ## Change the pure code in many ways and see that tests notice each (takes hours; not part of test)
	$(bootstrap) build test rust python cargo mutants
	@cargo mutants --package backup-core -- --profile mutants || echo "what survived the quick tests meets all others"
	@cargo mutants --package backup-core --iterate -- --profile mutants-all

docs: ## Write the documentation of modules and roles from their declarations
	$(bootstrap) build rust python
	@scripts/build.sh native
	@scripts/docs.sh

collection: ## Pack the collection handover.backup, with the executables, into build/
	$(bootstrap) build rust python
	@scripts/build.sh
	@scripts/collection.sh

lab: ## Build the image that the scenarios' hosts run
	$(bootstrap) lab
	@molecule/shared/lab image

bootstrap: ## Install all that the other targets need
	$(bootstrap) build test lab rust python cargo

clean: ## Remove what was built, and the lab's hosts; keeps the installed tools
	@! command -v $${LAB_ENGINE:-podman} >/dev/null || molecule/shared/lab clean
	rm -rf build target libexec

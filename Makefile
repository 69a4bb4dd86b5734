# Millrace: the few commands that build, run and check it. Each does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
BINARY := $(abspath $(or $(CARGO_TARGET_DIR),target))/release/millrace

MILLRACE_HOME ?= $(CURDIR)/.millrace
MILLRACE_DAGS ?= $(CURDIR)/dags
MILLRACE_PORT ?= 8080
export MILLRACE_HOME MILLRACE_DAGS MILLRACE_PORT

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

.PHONY: ui
ui: ui/dist/index.html ## build the dashboard (with Node from PyPI where the machine has no new one)

ui/dist/index.html: $(shell find ui/src ui/index.html ui/package.json ui/vite.config.ts -type f 2>/dev/null)
	@if . tests/stack/node.sh; then \
	  cd ui && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run build --silent && touch ../api/build.rs; \
	else \
	  echo "the dashboard is left out, the API is served all the same" >&2; \
	fi

.PHONY: build
build: ui ## build the one binary, target/release/millrace
	$(CARGO) build --release --locked

.PHONY: run
run: build ## start Millrace on the embedded database with the example DAGs
	exec $(BINARY) standalone

.PHONY: test
test: ## install what the tests need, then run them all
	tests/stack/packages.sh
	$(MAKE) --no-print-directory ui
	$(CARGO) test --workspace --locked --no-fail-fast

.PHONY: lint
lint: ## formatting, clippy, dependency rules, and the dashboard's linter
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	tests/stack/deny.sh
	. tests/stack/node.sh && cd ui && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run lint --silent

.PHONY: bench
bench: build ## measure, and print one JSON object a line
	bench/run.sh $(BINARY)

.PHONY: oracle
oracle: ## compare cron with croniter on ORACLE_COUNT (100,000) random triples
	tests/oracle/run.sh

# Optimised, and still with every check of a debug build.
CHECKED := CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_TARGET_DIR=$(abspath $(or $(CARGO_TARGET_DIR),target))/checked

.PHONY: fuzz
fuzz: ## damaged DAG files, crons and templates for FUZZ_SECS (600) seconds each
	$(CHECKED) FUZZ_SECS=$(or $(FUZZ_SECS),600) FUZZ_HANG_MILLIS=$(or $(FUZZ_HANG_MILLIS),100) \
	  $(CARGO) test --locked -p millrace-core --test fuzz -- --nocapture --test-threads 1

.PHONY: model
model: ## the engine against a slow model of it over MODEL_HISTORIES (100,000) random histories
	$(CHECKED) MODEL_HISTORIES=$(or $(MODEL_HISTORIES),100000) \
	  $(CARGO) test --locked -p millrace-core --lib histories -- --nocapture

.PHONY: acceptance
acceptance: build ## the full course stack (CatBoost, MLflow, BentoML) in containers
	tests/stack/packages.sh
	MILLRACE=$(BINARY) tests/stack/acceptance.sh

.PHONY: clean
clean: ## remove what was built, and the demo's database
	$(CARGO) clean
	rm -rf ui/dist ui/node_modules .millrace

# The commands people type; each sets up .venv by itself first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
SHELL := /bin/sh

.PHONY: help run test test-integration campaign lint audit secrets sbom format web site ui up down lock setup

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

run: setup ## Photos -> teacher -> student -> tables and pictures
	@dvc repro
	@python -m pipeline results

test: setup ## Fast tests
	@pytest -m 'not integration' -n 2

test-integration: setup ## Tests with servers, kills and a browser
	@OMP_WAIT_POLICY=passive pytest -m integration -n 3 --dist loadfile --no-loadscope-reorder --durations=12 --reruns 1 --reruns-delay 5 -rR

campaign: setup ## Kills, cut servers, full disks, wrong clocks, damaged files, a large store
	@pytest -m campaign --campaign day -n 2 --dist loadfile --durations=0 -rs

lint: setup ## ruff and mypy
	@ruff check .
	@ruff format --check .
	@mypy

audit: setup ## Look for known vulnerabilities in the locked packages
	@python scripts/audit.py

secrets: setup ## Look for passwords, tokens and keys in the files of the checkout
	@python scripts/secret_scan.py

sbom: setup ## What the locked packages are, as CycloneDX in sbom.cdx.json
	@python scripts/sbom.py

format: setup ## Sort imports and format
	@ruff check --fix .
	@ruff format .

web: ## Build the page into kdsharp/serve/page, with npm
	@npm ci --prefix web
	@npm run --prefix web check
	@npm test --prefix web
	@npm run --prefix web build

site: setup ## Page, models, gallery and docs as plain files, in site/
	@python scripts/plain_site.py

ui: setup ## MLflow's pages in the browser
	@python -m pipeline ui

up: setup ## Start the servers: Prefect, its worker, which retrains every week, and MLflow
	@python -m pipeline up

down: setup ## Stop those servers
	@python -m pipeline down

lock: setup ## Resolve the dependencies anew: names, versions and hashes, no addresses
	@uv lock --upgrade
	@uv export --quiet --frozen --all-extras --all-groups --no-emit-project --no-header --no-annotate -o requirements.lock

setup:
	@scripts/setup

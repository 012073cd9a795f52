# make help says what there is. Everything is installed into .venv; nothing else on the machine changes, but that
# root on Debian gets the missing Debian packages (Python's venv module; for the tests, the peers).
.DEFAULT_GOAL := help
.PHONY: help demo test test-long docs lint lock clean

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /\1 /p' Makefile | while read -r name text; do printf '  make %-6s %s\n' "$$name" "$$text"; done

demo: .venv/node.stamp ## run the node on phantoms, or on INPUT=folder, into demo-output/; SERVE=1 leaves its pages open
	@.venv/bin/cxrnode demo $(if $(INPUT),"$(INPUT)") $(if $(SERVE),--serve)

test: .venv/dev.stamp ## set up what is missing and run every check and test (PYTEST="..." narrows it, PEERS=no installs none)
	@PEERS="$(PEERS)" scripts/peers
	@scripts/check all $(PYTEST)

test-long: .venv/dev.stamp ## the tests that prove for every recipe what `make test` proves for one of each kind
	@.venv/bin/python -m pytest -m long

docs: .venv/dev.stamp ## build the documentation as a site, in build/site
	@.venv/bin/mkdocs build --quiet --clean

lint: .venv/dev.stamp ## only the checks: ruff, mypy, import-linter
	@scripts/check lint

lock: ## write the lock files anew from pyproject.toml (UPGRADE=1 takes the newest versions)
	@UPGRADE="$(UPGRADE)" scripts/lock

clean: ## remove the environment, caches and what the demo left
	rm -rf .venv demo-output build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/node.stamp: requirements/node.lock pyproject.toml
	@scripts/environment node

.venv/dev.stamp: requirements/dev.lock pyproject.toml
	@scripts/environment dev

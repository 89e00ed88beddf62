# Every target first calls deploy/setup.sh, which installs what is missing and prints nothing otherwise.
# State (the demo's database, the walking network, logs) is kept in .state/.

# A bare container has the locale "C", which cannot print Chinese. A UTF-8 locale is left as the user has it.
ifneq ($(shell locale charmap 2>/dev/null),UTF-8)
export LC_ALL := C.UTF-8
endif

# Keep compiled modules: without them a process takes twice as long to start, and tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

SETUP := sh deploy/setup.sh
BIN := .venv/bin
COMPILE := UV_PYTHON_DOWNLOADS=never .state/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
	$(if $(UPGRADE),--upgrade)

DOCS := docs/_build

.PHONY: help demo serve test quick screens fuzz mutants bench boards soak attack cluster cluster-cells cluster-down cluster-drill cluster-faults cluster-soak cluster-upgrade year clients check bytecode lint types contracts docs docs-catalogues words vendor lighthouse release lock clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-23s%s\n", $$1, $$2 }'

demo: ## load a fictional district and answer one incident, on the embedded database
	@$(SETUP)
	@$(BIN)/aed demo

serve: ## start the API
	@$(SETUP)
	@$(BIN)/aed serve

test: ## run the checks and the whole suite on both databases (starts its own PostgreSQL)
	@$(SETUP) test
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint types contracts bytecode
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal --ignore tests/browser
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal tests/browser

# One more than there are cores: tests of pages and of processes wait for others.
WORKERS ?= $(shell expr $$(nproc) + 1)

IN ?= registry sharing http

quick: ## check, and run the tests of packages on SpatiaLite without the slow ones (IN=incidents; default: a few)
	@$(SETUP)
	$(BIN)/ruff check $(wildcard $(IN:%=src/aed/%) $(IN:%=tests/%))
	$(BIN)/mypy
	$(BIN)/pytest -q --numprocesses $(WORKERS) --dist worksteal -k "not postgis" -m "not slow" $(IN:%=tests/%)

screens: ## test the pages at both widths in both languages; keep screenshots in .state/screens, some in docs/
	@$(SETUP) test
	AED_TEST_VIEWS=all $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal tests/browser
	$(BIN)/python -m tests.browser.pictures

fuzz: ## try twenty times as many examples in property-based tests (hours; IN=walking: those of one package)
	@$(SETUP) test
	AED_TEST_PROFILE=deep $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal --timeout 0 -m hypothesis \
		$(if $(filter command,$(origin IN)),$(IN:%=tests/%))

mutants: ## change the rules at random, and print what no test notices (SEED, COUNT, SKIP, SECONDS, IN=timebank)
	@$(SETUP)
	$(if $(filter command,$(origin IN)),IN="$(IN)") $(BIN)/python -m tests.mutants

bench: ## measure, and print ratios
	@$(SETUP) test
	$(BIN)/python -m tests.bench

boards: ## measure 20 dispatcher's boards on one process while 10 incidents run
	@$(SETUP) test
	$(BIN)/python -m tests.bench.boards

soak: ## kill the worker and the server 200 times each on each database (KILLS=n) and report what was lost
	@$(SETUP) test
	PROCESSES=1 $(BIN)/pytest tests/cli/test_server_processes.py
	KILLS=$${KILLS:-200} $(BIN)/pytest -s tests/worker/test_kills.py tests/incidents/test_kills.py tests/timebank/test_kills.py

attack: ## attack a server of its own on loopback, on each database, and print how lookups fare (ROUNDS, SECONDS)
	@$(SETUP) test
	$(BIN)/python -m tests.attack

cluster: ## bring up a whole cluster on test hosts, which are network namespaces (needs root)
	@$(SETUP) cluster
	$(BIN)/python -m tests.cluster up

cluster-cells: ## run two cells on test hosts: lookups at their border, and with one cut off for 30 s (needs root)
	@$(SETUP) test
	$(BIN)/python -m tests.cluster cells

cluster-down: ## end every process of the test hosts and remove them, also after a crash
	$(BIN)/python -m tests.cluster down

cluster-faults: ## break that cluster in each way under load, and print what was lost and how long it took (FAULTS="worker")
	$(BIN)/python -m tests.cluster faults $(FAULTS)

cluster-drill: ## destroy acknowledged checks of that cluster, and bring them back from pgBackRest
	$(BIN)/python -m tests.cluster drill

cluster-soak: ## load that cluster for half an hour while faults happen at random (MINUTES, PEOPLE, LOOKUPS, INCIDENTS, SEED)
	$(BIN)/python -m tests.cluster soak

cluster-upgrade: ## upgrade that cluster under load from an earlier commit (BEFORE; default: that before the newest migration)
	$(BIN)/python -m tests.cluster upgrade $(BEFORE)

year: ## simulate a year of 1,200 estates with 12,000 devices and check its invariants
	@$(SETUP) test
	$(BIN)/python -m tests.year

clients: ## generate clients of the API in Python and TypeScript, and compile them (needs npm)
	@$(SETUP)
	$(BIN)/python -m tests.clients

bytecode: # compile the program and its tests while the checks leave a core free: otherwise each worker does so
	@found=$$($(BIN)/pytest --collect-only -qq --ignore tests/browser 2>&1) || { echo "$$found"; exit 1; }

check: ## run the linter, the formatter, mypy and the import contracts
	@$(SETUP)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint types contracts

lint:
	$(BIN)/ruff check src tests geodata docs deploy
	$(BIN)/ruff format --check src tests geodata docs deploy

types:
	$(BIN)/mypy

contracts:
	$(BIN)/lint-imports

docs: ## build the documentation in English and Chinese into docs/_build; warnings are errors
	@$(SETUP)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs $(DOCS)/en
	$(BIN)/sphinx-build -W --keep-going -q -b html -D language=zh_CN docs $(DOCS)/zh_CN

docs-catalogues: ## bring docs/locale up to date with the English text (all but the reference)
	@$(SETUP)
	$(BIN)/sphinx-build -q -b gettext docs $(DOCS)/gettext
	rm -f $(DOCS)/gettext/reference.pot
	$(BIN)/sphinx-intl update --line-width 110 -p $(DOCS)/gettext -d docs/locale -l zh_CN

words: ## extract the strings of pages and errors, update and compile their catalogues, print what is untranslated
	@$(SETUP)
	$(BIN)/python -m tests.web.catalogue

vendor: ## copy the locked browser libraries of deploy/vendor into the package (needs npm)
	@$(SETUP)
	cd deploy/vendor && npm ci --ignore-scripts --no-audit --no-fund
	$(BIN)/python deploy/vendor/collect.py

lighthouse: ## score the first pages on a throttled phone, in Chromium (needs npm)
	@$(SETUP) test
	cd deploy/lighthouse && npm ci --ignore-scripts --no-audit --no-fund
	$(BIN)/python -m tests.lighthouse

release: ## build wheel, source distribution and SBOM into dist/, the same bytes for the same commit
	@$(SETUP)
	@sh deploy/release.sh

lock: ## lock the dependencies of pyproject.toml (UPGRADE=1: at the newest versions)
	@$(SETUP)
	$(COMPILE) --python-version 3.12 pyproject.toml --all-extras -o requirements.lock
	$(COMPILE) --python-version 3.12 pyproject.toml --all-extras --group dev -o requirements-dev.lock
	$(COMPILE) --python-version 3.12 --no-annotate tests/clients/requirements.in -o tests/clients/requirements.lock
	echo 'hatchling>=1.27' | $(COMPILE) --python-version 3.12 --no-annotate - -o deploy/build.lock
	echo cyclonedx-bom | $(COMPILE) --python-version 3.12 --no-annotate - -o deploy/release.lock
	echo uv | $(COMPILE) --python-version 3.9 --no-annotate - -o deploy/bootstrap.lock
	@$(SETUP)

clean: ## remove everything that can be recreated: the environment, caches, and the demo's state in .state
	rm -rf $(DOCS) docs/reference .venv .state .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist src/*.egg-info
	find src tests geodata -name __pycache__ -type d -prune -exec rm -rf {} +

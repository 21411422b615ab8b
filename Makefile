# The commands of this project. `make` alone lists them.
#
#   make demo    run the main job on real data: Kafka, two topics, a gateway, three queries, the audit trail
#   make up      start Quick on this machine and keep it running (options: make up ARGS="--port 9000")
#   make test    run the tests, in four processes with a real Kafka each (options: make test ARGS="-k log")
#   make test-cluster   build the Kubernetes control plane and Helm, which the tests in tests/k8s start (once; Go,
#                8 minutes)
#   make check   formatting, lint, types and the import contracts
#   make bench   measure, as ratios against raw limits in the same run; some parts only: make bench ARGS="mirror reads"
#                (mirror, reads, visibility, append, ingest, log, up; only when named: rebuild, many-mirrors,
#                gateway, gateway-inside, reconcile)
#   make soak    write, kill and check for some minutes (longer: QUICK_SOAK_S=3600 make soak)
#   make clean   remove what the other commands have made in this folder
#
# Each sets up what it needs: a virtual environment in .venv, and Kafka's jars, with an archive of their classes, in
# the user's cache folder.
# Without make test-cluster, make test skips what needs a Kubernetes cluster, and says so.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo up test test-cluster check bench soak clean

help:
	@sed -n 's/^#   //p' Makefile

$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another one: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

demo: $(READY)
	$(BIN)/python examples/flights/demo.py

up: $(READY)
	$(BIN)/quick up $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-cluster: $(READY)
	@$(BIN)/python -m tests.k8s.cluster.programs
	@$(BIN)/python -m tests.k8s.helm.program

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python tests/benchmarks/run.py $(ARGS)

soak: $(READY)
	$(BIN)/python -m pytest -s --timeout 0 tests/soak/mirrors.py $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

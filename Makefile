# What a person does with this project. Every target says what it does: `make help`.
#
#   make up      two regions on this machine, the mesh over both, the sample tenant, a summary of where to look
#   make test    unit tests: no root, no cluster, no network beyond the package registries
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

# Options of `make up`: `make up LATENCY=60ms LOSS=0.1%` puts a distance between the regions.
# `make up KEEP=1` leaves what was made when a step fails, to look at it.
UP_OPTIONS := $(if $(LATENCY),--latency $(LATENCY)) $(if $(LOSS),--loss $(LOSS)) $(if $(KEEP),--keep)

.DEFAULT_GOAL := help
.PHONY: help venv up down status test test-tenant lint prove rehearse bench generated schema reference

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

# The stamp is newer than what it was made from, or the environment is brought up to date.
$(VENV)/.stamp: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: set PYTHON=/path/to/it")'
	@echo "Python environment: $(VENV)"
	@# One whose making was cut off has no pip that works: it is made anew.
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

venv: $(VENV)/.stamp ## The Python environment, made once and kept up to date

up: venv ## Two regions, the mesh, the sample tenant; a running lab is left as it is
	@$(RUN) -m lab up $(UP_OPTIONS)

down: venv ## Take the lab away, leaving nothing behind
	@$(RUN) -m lab down

status: venv ## What runs in each region, and how to send the first request
	@$(RUN) -m lab status

test: venv ## Unit tests, without root or clusters
	@$(RUN) -m pytest

test-tenant: venv ## Tests of the sample tenant, a Go program
	@$(RUN) -m lab.tools go -C lab/tenant test ./...

lint: venv ## ruff and pyright
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m pyright

prove: venv ## Every claim by traffic in the running lab; FULL=1 adds the long ones
	@$(RUN) -m tests.lab

rehearse: venv ## AWS without an account: the stand-in, faults, kills; STACKS="staging prod" previews them, DEPLOY=1 deploys them into a lab without a mesh; FULL=1: every kill
	@$(RUN) -m lab rehearse $(foreach stack,$(STACKS),--stack $(stack)) $(if $(DEPLOY),--deploy) $(if $(FULL),--full)

bench: venv ## Times and memory beside the documented istioctl steps, to .lab/bench.json; takes a running lab down; SCALE=1: many services and regions
	@$(RUN) -m lab bench $(if $(SCALE),--scale)

generated: schema reference ## What is made from the models: run it when one has changed

schema: venv ## The JSON schema of the stack files, from the models
	@$(RUN) -m components.config.schema

reference: venv ## The pages of docs/reference, from the models and docs/examples
	@$(RUN) -m components.config.reference

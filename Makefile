# What a person does with this project. Every target says what it does: `make help`.
#
#   make up      two regions on this machine, the mesh over both, the sample tenant, a summary of where to look
#   make test    unit tests: no root, no cluster, no network beyond the package registries
PYTHON ?= python3
VENV   := .venv
# The stack of `make preview` and `make policy`.
STACK  ?= local
RUN    := $(VENV)/bin/python

# Options of `make up`: `make up LATENCY=60ms LOSS=0.1%` puts a distance between the regions.
# `make up KEEP=1` leaves what was made when a step fails, to look at it.
# `make up MESH=0` makes the regions alone, for `make rehearse STACKS=prod DEPLOY=1`.
UP_OPTIONS := $(if $(filter 0,$(MESH)),--no-mesh) $(if $(LATENCY),--latency $(LATENCY)) $(if $(LOSS),--loss $(LOSS)) $(if $(KEEP),--keep)

.DEFAULT_GOAL := help
.PHONY: help venv up down status test test-istioctl test-prometheus test-account test-tenant lint prove evidence bench generated schema reference contract wheel policy-reference policy-package workflows preview policy doctor permissions cost dashboards rehearse

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

# The stamp is newer than what it was made from, or the environment is brought up to date.
$(VENV)/.stamp: requirements.txt requirements-dev.txt contract/pyproject.toml policies/requirements.txt
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
	@$(RUN) -m pytest -n 2

test-istioctl: venv ## What is rendered, by Istio's own checks: needs istioctl, of `make up` or on PATH; must be there where CI=true
	@$(RUN) -m pytest -m istioctl

test-prometheus: venv ## Dashboards and alerts, by a real Prometheus on series that are made for it; built where there is none
	@$(RUN) -m pytest -m prometheus tests/observability

test-account: venv ## Tests of the stand-in for AWS, some minutes
	@$(RUN) -m pytest -n 2 tests/lab_aws

test-tenant: venv ## Tests of the sample tenant, a Go program
	@$(RUN) -m lab.tools go -C lab/tenant test ./...

lint: venv workflows ## ruff, pyright, and the workflows by actionlint
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m pyright

# The same result on every machine: shellcheck and pyflakes are left out, which actionlint runs where it finds them.
workflows: venv ## actionlint over .github/workflows
	@$(RUN) -m lab.tools run actionlint -shellcheck= -pyflakes=

preview: venv ## What a stack would change, and what the policy pack says of it: make preview STACK=prod; ALL=1 lists everything; REHEARSED=1: without AWS
	@$(RUN) -m previews show --stack $(STACK) $(if $(ALL),--all) $(if $(REHEARSED),--rehearsed)

policy: venv ## What the policy pack says of a stack, counted by policy: make policy STACK=prod; ALL=1, REHEARSED=1 as above
	@$(RUN) -m previews policy --stack $(STACK) $(if $(ALL),--all) $(if $(REHEARSED),--rehearsed)

doctor: venv ## What is wrong with the mesh of the running lab, in a few seconds
	@test -f .lab/env || { echo "No lab is running here: make up." >&2; exit 1; }
	@. .lab/env && $(RUN) -m mesh doctor --stack local

prove: venv ## Every claim by traffic in the running lab, then AWS rehearsed on this machine; FULL=1 adds the long ones
	@$(RUN) -m tests.lab
	@$(RUN) -m lab rehearse --stack staging --stack prod $(if $(FULL),--full)

evidence: venv ## What `make prove` found, as one page for a browser: .lab/evidence/index.html
	@$(RUN) -m tests.lab.page

rehearse: venv ## AWS without an account: the stand-in, faults, kills; STACKS="staging prod" previews them, DEPLOY=1 deploys them instead, into a lab without a mesh; FULL=1: all kills, of staging too
	@$(RUN) -m lab rehearse $(foreach stack,$(STACKS),--stack $(stack)) $(if $(DEPLOY),--deploy) $(if $(FULL),--full)

bench: venv ## Times and memory beside the documented istioctl steps, to .lab/bench.json; takes a running lab down; SCALE=1: many services and regions, in the running lab; SCALE=previews: without it; POLICIES=1: what the policy pack takes, without a lab; CHANGES=1: each change of a running mesh beside the way by hand, in the running lab
	@$(RUN) -m lab bench $(if $(SCALE),--scale) $(if $(filter previews,$(SCALE)),--previews) $(if $(POLICIES),--policies) $(if $(CHANGES),--changes)

generated: schema reference contract policy-reference permissions cost dashboards ## What is made from the models and policies: run it when one has changed

schema: venv ## The JSON schema of the stack files, from the models
	@$(RUN) -m components.config.schema

reference: venv ## The pages of docs/reference, from the models and docs/examples
	@$(RUN) -m components.config.reference

contract: venv ## The JSON schema of the outputs, from the models
	@$(RUN) -m istio_mesh_contract.schema

WHEEL := .lab/wheel
wheel: venv ## The contract's package for other teams, to .lab/wheel, tried in an environment that has nothing else
	@rm -rf $(WHEEL)
	@$(RUN) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(WHEEL) ./contract
	@$(RUN) -m venv $(WHEEL)/venv
	@$(WHEEL)/venv/bin/python -m pip install --quiet --disable-pip-version-check $(WHEEL)/*.whl
	@$(WHEEL)/venv/bin/python -I contract/fixtures/read.py
	@rm -rf $(WHEEL)/venv
	@ls $(WHEEL)/*.whl

policy-reference: venv ## The page docs/policies.md, from the policies
	@$(RUN) -m policies.docs

policy-package: venv ## The policy pack as an archive for other programs, in dist/
	@$(RUN) -m policies.package dist

dashboards: venv ## The dashboards and alerts in dashboards/, and the lists of docs/dashboards.md, from components/observability
	@$(RUN) -m components.observability.files

permissions: venv ## The IAM policy of who deploys into AWS, from the types of resources
	@$(RUN) -m components.clusters.permissions

cost: venv ## What the stacks of AWS cost, from their files and the dated list of prices
	@$(RUN) -m components.config.cost

# The front door. Every target sets up what it needs; `make` alone lists them.
export OMP_NUM_THREADS ?= 1
BIN := .venv/bin

.PHONY: help setup demo test test-browser screenshots test-sglang test-vllm test-compose faults fuzz check bench up down base env pin audit study

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## install everything into .venv (no root)
	@tools/setup.sh

demo: setup  ## train the demo student with a teacher, through all the services; a few minutes on 2 cores
	@$(BIN)/socratic demo

up: setup  ## start the stack and leave it running for your own jobs
	@$(BIN)/socratic up

down: setup  ## stop the stack that `make up` started
	@$(BIN)/socratic down

test: setup  ## all tests
	@$(BIN)/pytest

test-browser: setup  ## the web UI in a real Chromium (installs Debian's, as root)
	@tools/chromium.sh && SOCRATIC_BROWSER=required $(BIN)/pytest tests/browser

screenshots: setup  ## a picture of every page, from a training of the demo; into .socratic/screens
	@tools/chromium.sh && $(BIN)/python -m tests.browser.screenshots

test-sglang: setup  ## the engine contract and a training job against real SGLang (installs 3.4 GB once)
	@tools/sglang/test.sh

faults: setup  ## the whole fault matrix: over 200 faults into a running system; full disks need root, clocks a C compiler
	@tools/faults.sh

fuzz: setup  ## schemathesis against a running system, with many examples of every operation; half an hour
	@$(BIN)/pytest -m fuzz tests/api

test-compose: setup  ## build docker-compose.yml, bring it up, train through restarts and a shutdown (needs Docker)
	@$(BIN)/pytest -m compose tests/compose

test-vllm: setup  ## a job with real vLLM as local teacher, its scores and its launcher (installs 3.4 GB once)
	@tools/vllm/test.sh

check: setup  ## format, lint, types, sizes: what CI runs before the tests
	@tools/check.sh

bench: setup  ## a benchmark by name: make bench NAME=trainer_step ARGS='--size 20M'
	@$(BIN)/python benchmarks/$(NAME).py $(ARGS)

audit: setup  ## known vulnerabilities of what is installed (asks OSV or PyPI)
	@tools/audit.sh

study: setup  ## run the miniature study to its end (hours; resumable) and write docs/study.md
	@$(BIN)/socratic study run miniature --parallel $${PARALLEL:-2}
	@$(BIN)/socratic study report miniature

base: setup  ## make the demo's base student anew
	@$(BIN)/socratic student make-base materials --out models/materials-base --seed 0

env:  ## make .env for docker compose, with secrets of your own
	@tools/env.sh

pin:  ## pin the images of .env by digest (asks their registries)
	@tools/pin.sh

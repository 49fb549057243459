# The front door. Every target first makes the virtual environment .venv where it is missing or
# older than requirements.txt; once it is there, no target needs a network but the first test-all.

CHAPTER ?= dcgan
BIN := .venv/bin
READY := .venv/.ready
# A process for each core, of which each needs up to 3 GB; the order is that of tests/conftest.py.
SPREAD := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder -rs --durations 20

.PHONY: help site book pdf lint check test test-all matrix mutations run bench execute results repository clean

help:
	@echo "make book                     build the HTML book and open it"
	@echo "make pdf                      the whole book as one PDF (needs Chromium and Playwright)"
	@echo "make check                    lint, types, the tests that are not slow, one chapter"
	@echo "make test                     lint, types, all tests, and every chapter executed again"
	@echo "make test-all                 the same with the other backends and a browser, installed first;"
	@echo "                              what takes minutes more is in make matrix"
	@echo "make matrix                   every image chapter on every kind of data, and what takes minutes"
	@echo "make mutations                code made wrong on purpose: does its check notice? (two hours)"
	@echo "make run RUN=dcgan-mnist      a full run: book/runs/dcgan-mnist.yaml through book/dcgan.ipynb"
	@echo "make bench                    what BENCHMARKS.md reports, into outputs/bench/ (half an hour)"
	@echo "make execute CHAPTER=dcgan    execute a chapter in place, ready to commit"
	@echo "make results                  the pages of results and of status, from the records"
	@echo "make repository URL=https://github.com/you/name    where the book is published"
	@echo "make clean                    delete what was built (the environment .venv stays)"

$(READY): requirements.txt
	@tools/make-environment $(PYTHON)
	@touch $@

site: $(READY)
	@echo "Building the book from the committed notebooks (warnings are errors)"
	$(BIN)/jupyter-book build . --all --quiet -W --keep-going -n

book: site
	@tools/open-page _build/html/index.html

pdf: site
	@$(BIN)/python tools/pdf.py

check test matrix mutations execute: export KERAS_BACKEND = tensorflow

lint: $(READY)
	@echo "Lint and types"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	@echo "The tests that are not slow, and a chapter executed again"
	$(BIN)/python -m pytest $(SPREAD) -m "not slow and not matrix" --nbval tests book/dynamics.ipynb

test: lint
	@echo "All tests, and every chapter executed again, its outputs compared with the committed ones"
	$(BIN)/python -m pytest $(SPREAD) --nbval tests book

test-all: $(READY)
	@tools/install-all
	GANBOOK_BROWSER=required $(MAKE) test

matrix: $(READY)
	$(BIN)/python -m pytest tests/matrix -m ""
	$(BIN)/python -m pytest tests -m matrix --ignore tests/matrix

mutations: $(READY)
	@$(BIN)/python tests/mutations/run.py

run: $(if $(RUN),$(READY))
	@test -n "$(RUN)" || { echo "Say which run: make run RUN=NAME, NAME one of:" \
	    $(patsubst book/runs/%.yaml,%,$(wildcard book/runs/*.yaml)) >&2; exit 2; }
	$(BIN)/python -m ganlib.run book/$(firstword $(subst -, ,$(RUN))).ipynb -f book/runs/$(RUN).yaml

bench: $(READY)
	for name in round cost resume memory replicas; do \
	    echo; echo "== benchmarks/$$name.py"; \
	    $(BIN)/python benchmarks/$$name.py --output outputs/bench/$$name.json || exit 1; \
	done

execute: $(READY)
	$(BIN)/python tools/execute.py book/$(CHAPTER).ipynb

results: $(READY)
	@$(BIN)/python tools/results.py
	@$(BIN)/python tools/tricks.py
	@$(BIN)/python tools/status.py

repository: $(READY)
	@$(BIN)/python tools/repository.py "$(URL)"

clean:
	rm -rf _build build ganlib.egg-info .mypy_cache .pytest_cache .ruff_cache
	find benchmarks book ganlib tests tools -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

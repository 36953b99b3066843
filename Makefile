# The two commands of the README, and what CI adds. Each makes the venv it needs, once.
PYTHON ?= python3
PIP = -m pip install --quiet --disable-pip-version-check

DEMO = .venv-demo
TEST = .venv-test
BARE = .venv-bare

# what an installation is made from, besides the Python sources
BUILD = pyproject.toml hatch_build.py $(wildcard edgebert/kernels/*.[ch])

.PHONY: demo test lint bare-test bench kernels clean

demo: $(DEMO)/ready
	@$(DEMO)/bin/python -m examples.demo

test: $(TEST)/ready
	$(TEST)/bin/python -m pytest

lint: $(TEST)/ready
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy

# the runtime's tests once more, on the wheel, with nothing but its own dependencies: run from a
# copy, so that the source beside them is out of reach
bare-test: $(BARE)/ready
	@rm -rf $(BARE)/copy && mkdir $(BARE)/copy && cp -r pyproject.toml tests $(BARE)/copy
	cd $(BARE)/copy && ../bin/python -m pytest -m "not export and not oracle and not realmodel" \
	    --ignore=tests/export --ignore=tests/bench --ignore=tests/examples \
	    --ignore=tests/test_architecture.py --ignore=tests/test_packaging.py

# every peer in a venv of its own: gigabytes and minutes the first time; then an hour or more of a quiet machine
bench: $(DEMO)/ready
	-$(DEMO)/bin/python -m bench.environments
	$(DEMO)/bin/python -m bench.runner
	$(DEMO)/bin/python -m bench.levers
	$(DEMO)/bin/python -m bench.levers --model bert-base
	$(DEMO)/bin/python -m bench.profile
	$(DEMO)/bin/python -m bench.profile --model bert-base
	$(DEMO)/bin/python -m bench.scaling
	$(DEMO)/bin/python -m bench.report
	$(DEMO)/bin/python -m bench.performance_report

# the kernels of this checkout alone, after a change to them
kernels:
	@$(PYTHON) hatch_build.py

$(DEMO)/ready: $(BUILD)
	@echo "making $(DEMO): edgebert[export], no torch"
	@$(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python $(PIP) -e ".[export]"
	@touch $@

$(TEST)/ready: $(BUILD)
	@echo "making $(TEST): edgebert[test], torch and transformers among it"
	@$(PYTHON) -m venv $(TEST)
	@$(TEST)/bin/python $(PIP) "torch==2.13.0"
	@$(TEST)/bin/python $(PIP) -e ".[test]"
	@touch $@

$(BARE)/ready: $(BUILD) $(wildcard edgebert/*.py edgebert/*/*.py)
	@echo "making $(BARE): the wheel with onnxruntime, tokenizers and numpy"
	@$(PYTHON) -m venv $(BARE)
	@$(BARE)/bin/python $(PIP) --force-reinstall --no-deps .
	@$(BARE)/bin/python $(PIP) . pytest hypothesis
	@touch $@

clean:
	rm -rf .venv-demo .venv-test .venv-bare .cache edgebert/kernels/encoder.so

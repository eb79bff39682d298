# Two commands: `make figures` and `make test`. Both make their own environment from the lock files first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_JOBS ?= 2

.PHONY: figures test check lab lock clean help

help:
	@echo "make figures   environment from the lock file, the quick sweep, its figures and report"
	@echo "make test      the same environment with the test extras, then everything CI checks"
	@echo "make lab       JupyterLab on the notebooks"
	@echo "make lock      resolve the lock files anew (needs uv)"
	@echo "make clean     remove the environment; results stay"

figures: $(VENV)/.installed
	$(BIN)/fedlab sweep params/quick.yaml

lab: $(VENV)/.installed
	$(BIN)/jupyter lab notebooks

test: $(VENV)/.tested
	$(MAKE) check

# Where FEDLAB_DATA is not set, the tests that need the hospitals' files are skipped, and say so.
check:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --verify notebooks/*.ipynb notebooks/*/*.ipynb
	$(BIN)/python -m pytest --doctest-modules fedlab tests -n $(TEST_JOBS) --dist loadgroup
	$(BIN)/python -m pytest --nbval-lax --nbval-cell-timeout=120 -p no:cacheprovider notebooks

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("fedlab needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Give another: make PYTHON=python3.12 …") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed requirements-test.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@

lock:
	uv pip compile pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	uv pip compile pyproject.toml --extra build --extra test --extra cluster --extra onnx -c requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-test.lock

clean:
	rm -rf $(VENV)

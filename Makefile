# Two commands from a clean clone: `make train` and `make test`. Both prepare .venv first, when it is not there yet
# or pyproject.toml changed since.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: train test lint clean

train: $(VENV)/ready
	$(PY) train.py --norm wn --dataset shapes --features 32 --code-size 64 --schedule shared --learning-rate 1e-3 \
	  --warmup 200 --iterations 3000 --test-every 1000 --sample-every 500 --log-every 100
	$(PY) evaluate.py report latest --out report.html
	$(PY) evaluate.py explore latest --checkpoint last --out explore.html
	@echo 'Open report.html and explore.html in a browser. What to do next:'
	@echo '  $(PY) evaluate.py modes latest --checkpoint last        # how many of the 1,024 modes it draws'
	@echo '  $(PY) evaluate.py reconstruct latest --count 200        # how well it draws images that it never saw'
	@echo '  $(PY) train.py --norm wn --dataset cifar10              # the main job; downloads CIFAR-10 once'

# One thread for matrix products: the tests' are small, and threads that wait for each other only cost time.
test: lint
	OPENBLAS_NUM_THREADS=1 $(PY) -m pytest -q

lint: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "tinygan needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache

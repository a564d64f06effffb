# From a clean clone: `make train`, `make test` and `make book`. All prepare .venv first, when it is not there yet
# or pyproject.toml changed since.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: train test lint book clean

train: $(VENV)/ready
	$(PY) train.py --norm wn --dataset shapes --features 32 --code-size 64 --schedule shared --learning-rate 1e-3 \
	  --warmup 200 --iterations 3000 --test-every 1000 --sample-every 500 --log-every 100
	@mkdir -p build
	$(PY) evaluate.py report latest --out build/report.html
	$(PY) evaluate.py explore latest --checkpoint last --out build/explore.html
	@echo 'Open build/report.html and build/explore.html in a browser. What to do next:'
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

# The book, executed: build/book/index.html. One chapter of it: make book CHAPTER=06-weight-norm
book: $(VENV)/book-ready
	@test -f 'docs/book/$(or $(CHAPTER),index).md' || { echo 'no chapter $(CHAPTER): CHAPTER is one of' \
	  $(patsubst docs/book/%.md,%,$(wildcard docs/book/*.md)); exit 1; }
	@echo '$(if $(CHAPTER),The chapter,Every chapter) is executed, in silence where all is well; all take a minute or two.'
	OPENBLAS_NUM_THREADS=1 $(PY) -m sphinx -q -E -a $(if $(CHAPTER),-D include_patterns=$(CHAPTER).md \
	  -D root_doc=$(CHAPTER),--fail-on-warning --keep-going) -b html docs/book build/book
	@echo 'Open build/book/$(or $(CHAPTER),index).html in a browser.'

$(VENV)/book-ready: $(VENV)/ready
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[book]'
	touch $@

$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "tinygan needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache

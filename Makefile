# make demo and make test are all that is needed on a fresh machine; both make the pinned environment first.
# Variables: PYTHON (what makes the environment), VENV (where it is), TEST_JOBS, TEST_DEVICE, PYTEST_ARGS, STRESS_ARGS.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
# Small models: one process per core, one thread in each, beats torch's own threads.
TEST_JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n : 4)))
RUN_PYTEST = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile --durations 10
# GPUs are hidden from all tests but test-gpu's.
PYTEST = CUDA_VISIBLE_DEVICES= $(RUN_PYTEST)

.DEFAULT_GOAL := help
.PHONY: help env check lint format test test-all test-gpu stress test-matrix demo gpu-report docs linkcheck lock clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

env:  ## Make the pinned environment, or see that it is there
	@test -n "$(PYTHON)" || { echo "error: no Python of 3.10 or newer was found; install one, or: make env PYTHON=<path>" >&2; exit 1; }
	@$(PYTHON) tools/misc/setup_env.py --venv $(VENV)

check: env  ## Print versions and what works
	@$(BIN)/python tools/misc/check_env.py --require core,det,seg

lint: env  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: env  ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: env  ## Run the tests, but for the slow ones
	$(PYTEST) $(PYTEST_ARGS)

test-all: env  ## Run all tests that need no GPU
	$(PYTEST) -m 'not gpu' $(PYTEST_ARGS)

# TEST_DEVICE=cpu rehearses them on a machine without a GPU, kernels in Triton's interpreter. TF32 would round float32.
TEST_DEVICE ?= cuda
test-gpu: env  ## Run the tests of what a GPU computes; needs one
	@$(BIN)/python -m tests.gpu $(TEST_DEVICE)
	MIRL_MM_TEST_DEVICE=$(TEST_DEVICE) NVIDIA_TF32_OVERRIDE=0 $(if $(filter cpu,$(TEST_DEVICE)),TRITON_INTERPRET=1) \
		$(if $(filter cpu,$(TEST_DEVICE)),$(PYTEST),$(RUN_PYTEST)) -m gpu $(PYTEST_ARGS)

stress: env  ## Kill, fill, damage and soak trainings for ten minutes (STRESS_ARGS="--minutes 60": longer)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m tests.stress $(STRESS_ARGS)

# The oldest packages are what the lower bounds of pyproject.toml allow.
MATRIX ?= oldest pinned newest
MATRIX_oldest = --python 3.10 --resolution lowest-direct --editable '.[det,seg,onnx,lora,dev]'
MATRIX_pinned = --python 3.11 --no-deps --requirement requirements/lock.txt --editable .
MATRIX_newest = --python 3.11 --upgrade --editable '.[det,seg,onnx,lora,dev]'

test-matrix: $(MATRIX:%=matrix-%)  ## Run the tests with the oldest, the pinned and the newest packages (needs uv)

matrix-%:
	uv venv --clear --seed $(wordlist 1,2,$(MATRIX_$*)) build/matrix/$*
	uv pip install --python build/matrix/$*/bin/python $(wordlist 3,9,$(MATRIX_$*))
	build/matrix/$*/bin/python tools/misc/check_env.py --require core,det,seg
	$(subst $(BIN),build/matrix/$*/bin,$(PYTEST)) --ignore tests/docs $(PYTEST_ARGS)

demo: env  ## Pre-train on generated images, fine-tune for three tasks, and show all of it on a page
	@$(BIN)/python tools/demo.py

gpu-report: env  ## Measure all that a GPU can show, in 7 minutes; GPU_REPORT_ARGS=--rehearse needs none
	@$(BIN)/python tools/analysis_tools/gpu_report.py $(GPU_REPORT_ARGS)

docs: env  ## Build the documentation into build/docs/html; warnings are errors
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --quiet -d build/docs/doctrees docs build/docs/html

linkcheck: env  ## Follow the documentation's external links (needs the network)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b linkcheck --quiet -d build/docs/doctrees docs build/docs/linkcheck

lock:  ## Resolve requirements/pinned.in into lock.txt (needs uv)
	uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate \
		--override requirements/overrides.txt requirements/pinned.in --output-file requirements/lock.txt

clean:  ## Remove caches and build output; .venv and work_dirs stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

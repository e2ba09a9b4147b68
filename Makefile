# The two commands of a newcomer are `make demo` and `make test`; each does all the set-up it needs.
# Everything that needs more control is in CMakePresets.json.

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
# PACKAGES=no leaves the system packages to you.
PACKAGES ?= yes
# A folder with real data for `make demo` (empty = generated data) and for `make results`.
DATA ?=
# nvcc, for `make release`; empty = what PATH holds, else the toolkit's usual place.
NVCC ?= $(shell command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
# What `make dist` packs: release, or cuda-release after `make release`.
DIST ?= release
# One row of configs/results/rows.csv for `make results`; empty = all.
ROW ?=
# How long `make fuzz` runs each target: seconds, or inputs as 1000000x.
FUZZ ?= 3
# More arguments for ctest, e.g. TESTS='-R adam'.
TESTS ?=

PROGRAM = build/release/bin/rankine
SOURCES = git ls-files -z -- '*.c' '*.h' '*.cu' '*.cuh' '*.cpp'
FORMAT = clang-format-14

# Idle OpenMP threads sleep: tests share the cores without spinning at each other. Tests wait for a
# third of their time, for processes to begin, signals and sockets, so there are more than cores.
CTEST = OMP_WAIT_POLICY=passive ctest --output-on-failure -j $$(($(JOBS) + $(JOBS) / 2))

ifeq ($(PACKAGES),yes)
packages = tools/install_packages.sh $(1)
else
packages = true
endif

# $(call build,PRESET[,TARGET])
build = { test -f build/$(1)/build.ninja || cmake --preset $(1) --log-level=WARNING; } && \
	cmake --build build/$(1) -j $(JOBS) $(if $(2),--target $(2))
# $(call run_tests,PRESET,CTEST ARGUMENTS[,REPORT]): ctest, then "N passed, N failed, N skipped" alone on a
# line; build/PRESET/REPORT.xml has the details (ctest.xml).
report = $(or $(3),ctest).xml
run_tests = $(CTEST) --test-dir build/$(1) $(2) $(TESTS) --output-junit $(report); status=$$?; \
	python3 tools/count_tests.py build/$(1)/$(report) && exit $$status

.PHONY: all help demo test test-sanitize test-emu test-long test-torch fuzz bench results site format format-check install \
	release cuda-ci check-kernels dist clean

all:
	@$(call packages,build test)
	@$(call build,release)
	@echo "built $(PROGRAM); next: make demo, make test, make help"

help:
	@echo "make                    build the program and the libraries into build/release"
	@echo "make demo [DATA=DIR]    train on generated data (or on real files) and recommend"
	@echo "make test               every test but the long ones; TESTS='-R adam' for some"
	@echo "make test-sanitize      the same, built with clang, AddressSanitizer and UBSan"
	@echo "make test-emu           the emulated CUDA device in the orders that make test leaves out, and under ThreadSanitizer"
	@echo "make test-long          every test with the label long"
	@echo "make test-torch         the Python package beside PyTorch, which is first installed into build/env-torch"
	@echo "make fuzz FUZZ=SECONDS  run the fuzz targets (readers, configs, filters, times, stored files), each so long"
	@echo "make bench              build the measuring programs; how to use them: bench/README.md"
	@echo "make results DATA=DIR   train what the tables of docs/results.md show (hours); ROW=NAME for one"
	@echo "make site               the documentation as pages, build/site/index.html (packages of docs/requirements.txt)"
	@echo "make format             lay out the sources; format-check only looks"
	@echo "make install PREFIX=DIR program, libraries, headers, configs ($(PREFIX))"
	@echo "make release            build with CUDA for every supported GPU into build/cuda-release"
	@echo "make check-kernels      what nvcc made of the hot kernels: registers, spills, loads; no GPU is needed"
	@echo "make dist               pack program and libraries for other machines into build/dist"
	@echo "make clean              remove build/"

demo:
	@$(call packages,build test)
	@$(call build,release,rankine_cli)
	@tools/demo.sh $(PROGRAM) $(DATA)

test:
	@$(call packages,build test)
	@$(call build,release)
	@$(call run_tests,release,-LE long)

test-sanitize:
	@$(call packages,build test clang)
	@$(call build,sanitize)
	@$(call run_tests,sanitize,-LE long)

test-emu:
	@$(call packages,build test)
	@$(call build,release)
	@$(call run_tests,release,-L emu-orders,emu)

test-long:
	@$(call packages,build test)
	@$(call build,release)
	@$(call run_tests,release,-L long)

test-torch: build/env-torch/made
	@$(call packages,build test)
	@$(call build,release)
	@$(call run_tests,release,-R python/test_torch,torch)

build/env-torch/made: $(addprefix tests/python/requirements,.txt -torch.txt) bench/pytorch/requirements.txt
	@rm -f $@
	@tools/python_environment.sh build/env-torch tests/python/requirements-torch.txt

fuzz:
	@$(call packages,build clang)
	@$(call build,sanitize,fuzz_targets)
	@tests/fuzz/run.sh build/sanitize $(FUZZ)

bench:
	@$(call packages,build test)
	cmake --preset release -DRANKINE_BENCH=ON
	@$(call build,release)
	@echo "now see bench/README.md"

results:
	@$(call packages,build test)
	@$(call build,release,rankine_cli)
	@tools/results.py --program $(PROGRAM) $(if $(DATA),--data $(DATA)) $(ROW)

# MkDocs and its theme come from PyPI into an environment in build/; nothing is fetched while it builds.
site: build/site-venv/made
	@build/site-venv/bin/python tools/site/build.py

build/site-venv/made: docs/requirements.txt
	@rm -f $@
	@tools/python_environment.sh build/site-venv docs/requirements.txt

format:
	@$(call packages,format)
	@$(SOURCES) | xargs -0 $(FORMAT) -i

format-check:
	@$(call packages,format)
	@$(SOURCES) | xargs -0 $(FORMAT) --dry-run -Werror

install:
	@$(call packages,build test)
	@$(call build,release)
	cmake --install build/release --prefix $(PREFIX)

# Compiling and linking are the test: no GPU is needed for them.
release cuda-ci: preset = $(if $(filter release,$@),cuda-release,cuda-ci)
release cuda-ci:
	@$(call packages,build cuda)
	@test -n "$(NVCC)" || { echo "make $@: no nvcc in PATH or /usr/local/cuda/bin; install the \
	CUDA Toolkit (12.8 or newer), or say make $@ NVCC=PATH" >&2; exit 1; }
	@export CUDACXX=$(NVCC); $(call build,$(preset))
	@echo "built build/$(preset)/bin/rankine"

# What nvcc made of the kernels of a training step: registers, spills, loads that are on their way
# together.
check-kernels:
	@tools/check_kernels.py

# A tree that runs where glibc is at least this machine's and, with CUDA, its libraries are.
dist:
	@$(call packages,build test dist)
	@$(call build,$(DIST))
	@tools/make_dist.sh build/$(DIST) build/dist

clean:
	rm -rf build

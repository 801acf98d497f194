# The front door: `make help`. The work is done by meson and the scripts in tools/.
SHELL := /bin/bash
MESON_SETUP = test -f $(1)/build.ninja || meson setup $(1) $(2)
DEPS = tools/install-deps.sh

.PHONY: all build install deps debug asan demo check check-arm check-sanitize bench train-model format clean help

all: build

build: ## build/edgewise, optimised
	@$(DEPS) build
	@$(call MESON_SETUP,build,--buildtype=release)
	@ninja -C build edgewise

install: build ## put it, and the rights to read the meters, into the system (as root; packaging/README.md)
	@meson install -C build

debug: ## build-debug/edgewise, with assertions and symbols
	@$(DEPS) build
	@$(call MESON_SETUP,build-debug,--buildtype=debugoptimized)
	@ninja -C build-debug

asan: ## build-asan/edgewise, with address and undefined-behaviour sanitizers
	@$(DEPS) build
	@$(call MESON_SETUP,build-asan,--buildtype=debugoptimized -Db_sanitize=address$(comma)undefined -Db_lundef=false)
	@ninja -C build-asan
comma := ,

demo: build ## run the demo study here and open its report: minutes
	@tools/demo.sh

check: ## all tests, both compilers, sanitizers, style; ends with `N passed, N failed, N skipped`
	@tools/check.sh all

check-sanitize: ## the tests under sanitizers only
	@tools/check.sh sanitize

check-arm: ## cross-build for 64-bit ARM, tests under emulation
	@tools/check-arm.sh

bench: ## speed of kernels and engine on this machine: minutes; with FULL=1 everything: hours
	@$(DEPS) build
	@$(call MESON_SETUP,build,--buildtype=release)
	@ninja -C build
	@meson test -C build --benchmark --suite $(if $(FULL),full,quick) --num-processes 1 --no-rebuild --verbose
	@bench/engine_bench.py $(if $(FULL),--full)

train-model: ## train the model in the box anew from CORPUS=folder: about two hours (models/train)
	@models/train/train.sh $(CORPUS) $(OUT)

format: ## clang-format over all C files
	@git ls-files '*.c' '*.h' | xargs clang-format -i

deps: ## install what building and checking need
	@$(DEPS) build check

clean: ## remove all build folders
	rm -rf build build-*/

help:
	@echo 'make [TARGET]'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

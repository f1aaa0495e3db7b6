# What people type. Each target installs and fetches what it needs; running one twice does no work twice.
#   make demo        build, then the original experiment and the first ones that can show something; writes out/demo
#   make test        build and run the tests (a few minutes)
#   make help        all targets
.DEFAULT_GOAL := build
SHELL := /bin/bash
export FQLAB_CACHE := $(or $(FQLAB_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fqlab)
export CCACHE_DIR := $(FQLAB_CACHE)/ccache
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
BUILD := build/release

.PHONY: help setup build demo test test-long test-asan test-tsan bench bench-compare bench-speed bench-formats \
  bench-inspect bench-metrics bench-sweep bench-replay bench-plan lint clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 18

setup:  ## install packages, fetch the engine, a model and a text (all cached)
	@scripts/setup

build: setup  ## build build/release/fqlab
	@mkdir -p build
	@cmake --preset release >build/configure.log || { cat build/configure.log; exit 1; }
	@cmake --build $(BUILD) --target fqlab

demo: build  ## the main job on real input: out/demo/report/report.html and report.zh-TW.html
	@scripts/demo

test: setup  ## build and run the tests
	@scripts/setup --test-data
	@scripts/run-tests

test-long: setup  ## exhaustive, fuzz, simulation and oracle checks (an hour or more)
	@scripts/setup --test-data
	@FQLAB_LONG=1 scripts/run-tests
	@scripts/run-oracles

test-asan:  ## the tests under address and undefined-behaviour sanitizers
	@scripts/setup --test-data
	@scripts/run-tests asan

test-tsan:  ## the tests under the thread sanitizer
	@scripts/setup --test-data
	@scripts/run-tests tsan

BENCHES := bench-formats bench-metrics bench-inspect bench-compare bench-speed bench-sweep bench-replay bench-plan
bench:  ## all benchmarks, also after one that missed its bar; the figures belong in docs/measurements.md
	@missed=; for each in $(BENCHES); do $(MAKE) --no-print-directory $$each || missed+=" $$each"; done; \
	[ -z "$$missed" ] || { echo "bars missed, or not run:$$missed" >&2; exit 1; }

bench-compare: build  ## fqlab compare against llama.cpp's tools by hand, alternately in one run
	@scripts/setup --test-data
	@cmake --preset release >/dev/null && cmake --build $(BUILD) --target bench_engine
	@bench/compare_vs_perplexity.py
	@bench/compare_vs_decode.py
	@bench/compare_by_hand.py

bench-speed: build  ## fqlab's speeds against llama-bench's, A/A and half the bytes (an hour on a quiet machine)
	@scripts/setup --test-data
	@bench/speed_vs_llama_bench.py

bench-sweep: build  ## fqlab sweep against the pipeline by hand, and the adaptive map against the exhaustive one (half an hour)
	@scripts/setup --test-data
	@bench/sweep_vs_by_hand.py

bench-plan: build  ## plans against llama-quantize's mixes of the same size, on held-out text (two hours; ../shared needed)
	@scripts/setup --test-data
	@bench/plan_vs_stock.py $(BUILD)/plan-bench

bench-replay: build  ## an evaluation from a layer on against the whole model
	@cmake --preset release >/dev/null && cmake --build $(BUILD) --target bench_replay
	@$(BUILD)/fqlab quantize "$$(scripts/setup --print model)" --recipe '*=f32' -o $(BUILD)/bench-f32.gguf --force
	@FQLAB_BENCH_MODEL="$$(scripts/setup --print model)" FQLAB_BENCH_F32=$(BUILD)/bench-f32.gguf $(BUILD)/bench/bench_replay

bench-formats: setup  ## number formats against memcpy
	@cmake --preset release >/dev/null && cmake --build $(BUILD) --target bench_formats
	@$(BUILD)/bench/bench_formats

bench-inspect: build  ## fqlab inspect in eight formats against dequantizing the file eight times
	@cmake --preset release >/dev/null && cmake --build $(BUILD) --target bench_decode
	@bench/inspect_bench.py

bench-metrics: setup  ## KL divergence and log-sum-exp against a plain read
	@cmake --preset release >/dev/null && cmake --build $(BUILD) --target bench_metrics
	@$(BUILD)/bench/bench_metrics

lint: setup  ## clang-format, clang-tidy and the house rules
	@scripts/setup --lint
	@scripts/lint

clean:  ## remove what was built here (the cache stays)
	@rm -rf build out

# Two commands: `make demo` shows Eyeshine at work, `make test` proves it. Both install and build what they need first.
#
#   make demo [FOR=90s] [SEED=7]   simulated cameras, live, on http://127.0.0.1:8080; ends by itself after FOR
#   make test                      all tests, on real GStreamer, RTSP, ONNX Runtime and SQLite
#   make setup | build             only install | only build
#   make fmt | lint                format | rustfmt's and clippy's word
#   make bench                     speed, as ratios
#   make prove                     the long trials; what they measured goes to docs/proofs.md

SHELL := bash
EYESHINE := target/release/eyeshine
export CARGO_TERM_COLOR ?= auto

.PHONY: demo test setup build fmt lint bench prove

demo: build
	$(EYESHINE) demo $(if $(FOR),--for $(FOR)) $(if $(SEED),--seed $(SEED)) $(if $(LISTEN),--listen $(LISTEN))

test: build
	cargo test --release --locked --no-fail-fast
	target/models-venv/bin/python models/test_models.py

setup:
	@bash scripts/setup.sh

build: setup
	cargo build --release --locked

fmt:
	cargo fmt

lint: setup
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check licenses bans sources; fi

bench: build
	cargo bench --locked --bench featurizer
	cargo bench --locked --bench decode

prove: build
	bash scripts/prove.sh

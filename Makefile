# Two commands: `make demo` shows Eyeshine at work, `make test` proves it. Both install and build what they need first.
#
#   make demo [FOR=90s] [SEED=7] [LISTEN=127.0.0.1:8081]
#                                  simulated cameras, live, on http://127.0.0.1:8080; stops by itself after FOR
#   make test                      all tests, on real GStreamer, RTSP, ONNX Runtime and SQLite
#   make setup | build             only install what it takes to build and run | build, too
#   make setup-tests               only install, and what only tests need (a browser)
#   make fmt | lint                format | rustfmt's and clippy's word
#   make install [DESTDIR=…]        what `make build` made, as a service (see README)
#   make bench                     speed, as ratios; and what heads and questions are worth, on real pictures where there are such
#   make prove                     the long trials; what they measured goes to docs/proofs.md

SHELL := bash
EYESHINE := target/release/eyeshine
export CARGO_TERM_COLOR ?= auto

# Two that install at once would wait for each other.
.NOTPARALLEL:
.PHONY: demo test setup setup-tests build install fmt lint bench prove

demo: build
	$(EYESHINE) demo $(if $(FOR),--for $(FOR)) $(if $(SEED),--seed $(SEED)) $(if $(LISTEN),--listen $(LISTEN))

# Flows mostly wait: for cameras, for a daemon, for animals. Three a core keep the cores busy; who needs most of them takes turns.
# The newcomer watches the whole of it as it goes, and has the machine to themselves.
test: setup-tests build
	RUST_TEST_THREADS=$$((3 * $$(nproc))) cargo test --release --locked --no-fail-fast -- --skip newcomer
	cargo test --release --locked --test it -- newcomer
	target/models-venv/bin/python models/test_models.py

setup:
	@bash scripts/setup.sh

setup-tests:
	@bash scripts/setup.sh tests

build: setup
	cargo build --release --locked

# Builds nothing: `sudo make install` must leave no file of root's in the build tree.
install:
	@[ -x $(EYESHINE) ] || { echo "nothing is built yet: first \`make build\`, then this again" >&2; exit 1; }
	install -Dm755 $(EYESHINE) $(DESTDIR)/usr/bin/eyeshine
	install -d $(DESTDIR)/usr/lib/eyeshine/models $(DESTDIR)/usr/share/doc/eyeshine
	install -m644 models/*.onnx models/*.safetensors models/*.toml models/*.csv models/imagenet-people.txt models/libonnxruntime.so.* $(DESTDIR)/usr/lib/eyeshine/models/
	install -d $(DESTDIR)/usr/share/doc/eyeshine/docs $(DESTDIR)/usr/share/doc/eyeshine/config $(DESTDIR)/usr/share/doc/eyeshine/models
	install -m644 README.md ARCHITECTURE.md LICENSE $(DESTDIR)/usr/share/doc/eyeshine/
	install -m644 docs/* $(DESTDIR)/usr/share/doc/eyeshine/docs/
	install -m644 config/* $(DESTDIR)/usr/share/doc/eyeshine/config/
	install -m644 models/README.md $(DESTDIR)/usr/share/doc/eyeshine/models/
	install -Dm644 systemd/eyeshine.service $(DESTDIR)/usr/lib/systemd/system/eyeshine.service
	install -Dm644 systemd/eyeshine.sysusers $(DESTDIR)/usr/lib/sysusers.d/eyeshine.conf
	install -Dm644 systemd/eyeshine.tmpfiles $(DESTDIR)/usr/lib/tmpfiles.d/eyeshine.conf
	[ -n "$(DESTDIR)" ] || { systemd-sysusers eyeshine.conf && systemd-tmpfiles --create eyeshine.conf && systemctl daemon-reload; }

fmt:
	cargo fmt

lint: setup
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check licenses bans sources; fi

bench: build
	cargo bench --locked --bench featurizer
	cargo bench --locked --bench decode
	cargo bench --locked --bench fit
	@bash scripts/bench-pictures.sh

prove: setup-tests build
	bash scripts/prove.sh

# make test         installs what the tests need and runs all of them
# make              builds the program
# make screenshots  makes the pictures of the pages again
# make robustness   measures the watermark and its peers under attacks; about an hour

VENV       := target/venv
PARITY     := target/venv-parity
ROBUSTNESS := target/venv-robustness
NPM        := target/npm
AXE        := 0.1.8
SUDO       := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: all test ready check debian robustness screenshots

all:
	cargo build --release --locked

test: debian
	$(MAKE) --jobs=2 ready
	cargo test --release --locked --bins --examples --test '*'
	cargo test --release --locked --doc
	cargo test --release --locked --features diffusion --lib

# Packages unpack on one core while the other checks.
ready: $(VENV)/.installed $(NPM)/.installed $(PARITY)/.installed target/axe-core/$(AXE) check

check:
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	cargo clippy --release --locked --features diffusion --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --document-private-items

# Debian packages that tests call: the sqlite3 shell tries to get round the schema, exiftool reads our XMP, openssl is
# a time-stamp authority, chromium goes through the pages, node runs a reader of C2PA. Only what is missing is installed:
# a Node.js from elsewhere brings its own npm and conflicts with Debian's.
debian:
	@missing=; need() { command -v $$1 >/dev/null || missing="$$missing $$2"; }; \
	  need chromium "chromium fonts-liberation"; need exiftool libimage-exiftool-perl; need openssl openssl; \
	  need sqlite3 sqlite3; need node nodejs; need npm npm; \
	  python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	  [ -z "$$missing" ] || { $(SUDO) apt-get update && $(SUDO) apt-get install --yes --no-install-recommends $$missing; }

# Independent readers of what we write, pinned.
$(VENV)/.installed: tests/interop/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# The one of them in TypeScript, pinned with all that it needs; nothing of it runs when it is installed.
$(NPM)/.installed: tests/interop/package.json tests/interop/package-lock.json
	mkdir -p $(NPM)
	cp $^ $(NPM)
	npm ci --prefix $(NPM) --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# Rules of accessibility that the pages are held against, pinned: axe-core as a Python package carries it.
target/axe-core/$(AXE): $(VENV)/.installed
	mkdir -p target/axe-core
	$(VENV)/bin/pip download --quiet --disable-pip-version-check --no-deps --dest target/axe-core axe-playwright-python==$(AXE)
	cd target/axe-core && python3 -m zipfile -e axe_playwright_python-$(AXE)-*.whl . && touch $(AXE)

# diffusers, for the diffusion engines to be held against; some four gigabytes, of which few modules are ever loaded.
$(PARITY)/.installed: tests/parity/requirements.txt
	python3 -m venv $(PARITY)
	$(PARITY)/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement $<
	touch $@

# What the README shows of the pages, as the test of the pages sees them.
screenshots: debian target/axe-core/$(AXE)
	cargo test --release --locked --test suite -- serving::
	cp target/screenshots/page-*.png docs/

# Pictures x attacks, ours beside its peers: tables in target/robustness.md and .json.
robustness: debian $(ROBUSTNESS)/.installed
	cargo build --release --locked --bin vidimus --example watermark
	$(ROBUSTNESS)/bin/python benches/robustness/robustness.py run \
	  --json target/robustness.json --markdown target/robustness.md

$(ROBUSTNESS)/.installed: benches/robustness/requirements.txt benches/robustness/requirements-peers.txt
	python3 -m venv $(ROBUSTNESS)
	$(ROBUSTNESS)/bin/pip install --quiet --disable-pip-version-check --requirement $(word 1,$^)
	$(ROBUSTNESS)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $(word 2,$^)
	touch $@

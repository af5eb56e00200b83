#!/bin/sh
# Fetches axe-core (MPL 2.0) into target/axe: tests look with it for what keeps people from using the pages. It is not shipped.
# Needs the environment that models/make.sh makes. Used by `make setup-tests`; safe to run at any time.
set -eu
cd "$(dirname "$0")/.."
folder=target/axe
log=target/axe-pip.log

if [ ! -f $folder/pins ] || ! cmp -s scripts/axe-pins.txt $folder/pins; then
    rm -rf $folder
    target/models-venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --require-hashes \
        --target $folder -r scripts/axe-pins.txt >$log 2>&1 || {
        echo "axe: the pinned package (scripts/axe-pins.txt) cannot be had: $(tail -n 1 $log) (see $log)" >&2
        exit 1
    }
    cp scripts/axe-pins.txt $folder/pins
fi

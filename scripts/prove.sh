#!/usr/bin/env bash
# The long trials, about an hour; what they measured goes to docs/proofs.md with the commit and the machine.
# A sample of each is part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${MINUTES:-10}
seeds=${SEEDS:-"1 2 3"}
out=docs/proofs.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

demo() { target/release/eyeshine --state-dir "$work/state-$1" demo --calm --for "${minutes}m" --listen 127.0.0.1:0 --output none --seed "$1" "${@:2}" 2>"$work/log-$1" | grep -v "^the truth stands in"; }

{
  echo "# Proofs"
  echo
  echo "Written by \`make prove\` on $(date -u +%F), commit $(git rev-parse --short HEAD), on $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)."
  for seed in $seeds; do
    printf '\n## The simulated reserve, %s minutes, seed %s\n\n```text\n' "$minutes" "$seed"
    demo "$seed"
    echo '```'
  done
  printf '\n## The same scenes with wind and no animal, %s minutes, three cameras\n\n```text\n' "$minutes"
  demo 4 --empty
  echo '```'
  printf '\n## 24 busy cameras for a minute, retraining beside four, kills, and a million events\n\n```text\n'
  # One at a time: what is timed has the machine to itself.
  EYESHINE_PROVE=1 RUST_TEST_THREADS=1 cargo test --release --locked --quiet -- --nocapture prove 2>&1 | grep '^prove: '
  echo '```'
} | tee "$work/proofs.md"
mkdir -p docs
mv "$work/proofs.md" "$out"

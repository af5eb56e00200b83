#!/usr/bin/env bash
# Installs what Eyeshine needs and is not there yet: Debian packages, then the models. Does nothing where all is there.
#   setup.sh          to build and to run, the simulated reserve too
#   setup.sh tests    and what only the tests need: a browser, what looks over the pages, certificates
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# To build: a linker and C compiler (SQLite), GStreamer's headers. To run: GStreamer's plugins, TLS for rtsps and https.
# To simulate: photographs of animals. To make the models: Python with venv, and flock.
packages=(
  gcc libc6-dev pkg-config
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav glib-networking
  tuxpaint-stamps-default
  python3 python3-venv util-linux
)
case "${1:-}" in
  "") ;;
  tests) packages+=(openssl chromium) ;;
  *) die "for what? It is setup.sh, or setup.sh tests" ;;
esac

[ -r /etc/debian_version ] && command -v apt-get >/dev/null || die "this needs Debian 12 (or a system with apt-get and its package names)."
command -v cargo >/dev/null || die "no Rust toolchain: install one (rustc 1.92 or newer, with cargo), then run this again."

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "not root, and no sudo: as root, run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >"$log" 2>&1; }
  "${as_root[@]}" apt-get update -q >"$log" 2>&1 || { tail -n 3 "$log" >&2; die "the list of Debian packages cannot be had: is there a network?"; }
  install || { tail -n 5 "$log" >&2; die "these Debian packages cannot be had: ${missing[*]}"; }
fi
say "Debian packages are there"

bash models/make.sh
[ "${1:-}" != tests ] || sh scripts/axe.sh

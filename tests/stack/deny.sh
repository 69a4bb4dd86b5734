#!/bin/bash
# Checks licences, banned crates and sources; advisories too where their database can be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools="${MILLRACE_TEST_CACHE:-$HOME/.cache/millrace-test}/tools"
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
  deny="$tools/bin/cargo-deny"
  [ -x "$deny" ] || cargo install cargo-deny --locked --quiet --root "$tools"
fi
"$deny" --locked check bans licenses sources
if ! "$deny" --locked check advisories 2>"$tools.log"; then
  if grep -q "failed to fetch advisory database" "$tools.log"; then
    echo "advisories: not checked, their database cannot be fetched from here" >&2
  else
    cat "$tools.log" >&2
    exit 1
  fi
fi

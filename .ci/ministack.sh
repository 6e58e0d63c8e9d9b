#!/usr/bin/env bash
# .ci/ministack.sh REPORT - deploys on an emulator that enforces IAM by the CDK's own command, and asks it what it must refuse: two or
# three minutes, six at the most on a machine that others share. It is installed here and now, from PyPI; nothing is left running.
# REPORT is vitest's JSON.
set -euo pipefail
report=$(realpath "${1:?usage: .ci/ministack.sh REPORT}")
cd "$(dirname "$0")/.."
SECONDS_MAX=360

within() { # within COMMAND…: in what is left of the time
  local left=$((SECONDS_MAX - SECONDS))
  timeout --kill-after=10 "$((left > 0 ? left : 1))" "$@"
}
python3 -c 'import venv, ensurepip' 2>/dev/null || {
  within apt-get update -qq && DEBIAN_FRONTEND=noninteractive within apt-get install -y -qq python3-venv >/dev/null
}

work=$(mktemp -d)
export LAYERMOVER_MINISTACK_DATA=$work/data
trap 'localstack/ministack/down.sh; rm -rf "$work"' EXIT
LAYERMOVER_MINISTACK_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export LAYERMOVER_MINISTACK_PORT
step() { # step WHAT COMMAND…: says how long it took
  local began=$SECONDS
  within "${@:2}"
  echo "$1: $((SECONDS - began)) s"
}
step 'MiniStack installed and started' localstack/ministack/up.sh
step 'bootstrapped and deployed' localstack/ministack/deploy.sh
step 'tested' localstack/ministack/test.sh --reporter=default --reporter=json --outputFile.json="$report"

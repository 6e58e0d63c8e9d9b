#!/usr/bin/env bash
# .ci/localstack.sh REPORT - deploys on the real LocalStack by the CDK's own command, runs the end-to-end suite there, updates and
# destroys the stack: about six minutes on two quiet cores, a schedule's minute among them; ten at the most. Whatever it takes is
# installed here and now, from package registries; nothing is left running. REPORT is vitest's JSON.
set -euo pipefail
report=$(realpath "${1:?usage: .ci/localstack.sh REPORT}")
cd "$(dirname "$0")/.."
. localstack/host/paths.sh
SECONDS_MAX=600

within() { # within COMMAND…: in what is left of the time
  local left=$((SECONDS_MAX - SECONDS))
  timeout --kill-after=10 "$((left > 0 ? left : 1))" "$@"
}
packages() { DEBIAN_FRONTEND=noninteractive within apt-get install -y -qq "$@" >/dev/null; }
need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null || { within apt-get update -qq && packages "$2"; }
}

need_python() { # Debian 12 has none that is new enough: Debian 13's comes from the same mirror, and nothing else does
  find_python >/dev/null && return
  within apt-get update -qq
  packages python3.13-venv 2>/dev/null && return
  local mirror
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -1)
  echo "deb $mirror trixie main" >/etc/apt/sources.list.d/trixie.list
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n' >/etc/apt/preferences.d/trixie
  within apt-get update -qq
  packages -t trixie python3.13-venv
}

need mvn maven
need javac default-jdk-headless
need_python

work=$(mktemp -d)
export LAYERMOVER_LOCALSTACK=host LAYERMOVER_LOCALSTACK_HOME=$work/home LAYERMOVER_LOCALSTACK_DATA=$work/data
LAYERMOVER_LOCALSTACK_PORT=$(node --eval 'const s = net.createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
export LAYERMOVER_LOCALSTACK_PORT
trap 'localstack/down.sh; rm -rf "$work"' EXIT
step() { # step WHAT COMMAND…: says how long it took
  local began=$SECONDS
  within "${@:2}"
  echo "$1: $((SECONDS - began)) s"
}
step 'LocalStack installed and started' localstack/up.sh
# Three minutes for a first deployment are a promise.
step 'bootstrapped and deployed' timeout --foreground 180 localstack/deploy.sh
step 'tested' localstack/test.sh --reporter=default --reporter=json --outputFile.json="$report"

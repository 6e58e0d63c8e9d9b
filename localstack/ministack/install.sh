#!/usr/bin/env bash
# Installs MiniStack from PyPI, every file checked against its hash: half a minute the first time, nothing if it is there. Exits
# with 77 if the machine lacks what it takes.
set -euo pipefail
. "$(dirname "$0")/paths.sh"
home=$LAYERMOVER_MINISTACK_HOME

wanted=$(sha256sum <"$here/requirements.txt")
[ "$(cat "$home/installed" 2>/dev/null)" = "$wanted" ] && exit
python=${PYTHON:-python3}
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
  echo 'MiniStack needs Python 3.10 or later with venv (or PYTHON=path): skipped' >&2
  exit "$SKIPPED"
}
mkdir -p "$home"
exec 9>"$home.lock"
flock --timeout 300 9 || { echo "another installation holds $home.lock" >&2; exit 1; }
[ "$(cat "$home/installed" 2>/dev/null)" = "$wanted" ] && exit
rm -rf "$home/installed" "$home/venv"
echo "installing MiniStack 1.5.33 into $home ($("$python" --version))" >&2
"$python" -m venv "$home/venv"
timeout 300 "$home/venv/bin/pip" install -q --disable-pip-version-check --no-compile --require-hashes --no-deps -r "$here/requirements.txt"
echo "$wanted" >"$home/installed"

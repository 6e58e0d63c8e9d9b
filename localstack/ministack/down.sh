#!/usr/bin/env bash
# Ends what up.sh started, functions with it: asked first, after 5 seconds made to: it keeps nothing. Nothing running is fine, too.
set -euo pipefail
. "$(dirname "$0")/paths.sh"
END_SECONDS_MAX=5

if is_running; then
  id=$(cat "$LAYERMOVER_MINISTACK_DATA/group")
  kill -TERM -- "-$id" 2>/dev/null || true
  for ((waited = 0; waited < END_SECONDS_MAX * 5; waited++)); do
    is_running || break
    sleep 0.2
  done
  kill -KILL -- "-$id" 2>/dev/null || true
fi
rm -f "$LAYERMOVER_MINISTACK_DATA/group" "$LAYERMOVER_MINISTACK_DATA/root-key"

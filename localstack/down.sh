#!/usr/bin/env bash
# Ends what up.sh started, functions and DynamoDB with it: asked first, after 5 seconds made to: it keeps nothing. Nothing running is fine, too.
set -euo pipefail
cd "$(dirname "$0")"
. host/paths.sh
END_SECONDS_MAX=5

group=$LAYERMOVER_LOCALSTACK_DATA/group
if is_running; then
  id=$(cat "$group")
  kill -TERM -- "-$id"
  for ((waited = 0; waited < END_SECONDS_MAX * 5; waited++)); do
    is_running || break
    sleep 0.2
  done
  kill -KILL -- "-$id" 2>/dev/null || true
elif [ ! -e "$group" ] && timeout 10 docker info >/dev/null 2>&1; then
  timeout 60 docker compose -f compose/docker-compose.yml down --volumes --timeout "$END_SECONDS_MAX"
fi
rm -f "$group"

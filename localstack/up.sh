#!/usr/bin/env bash
# Starts LocalStack in the background: in Docker if an engine answers, else without (LAYERMOVER_LOCALSTACK=docker or =host
# decides). Exits with 77 if this machine can do neither. down.sh ends it.
set -euo pipefail
cd "$(dirname "$0")"
. host/paths.sh
READY_SECONDS_MAX=120
mkdir -p "$LAYERMOVER_LOCALSTACK_DATA"

in_docker() {
  timeout 600 docker compose -f compose/docker-compose.yml up --detach --wait --wait-timeout "$READY_SECONDS_MAX"
}

without_docker() {
  host/install.sh
  local log=$LAYERMOVER_LOCALSTACK_DATA/log
  # A process group of its own, which down.sh ends as a whole.
  setsid host/run.sh >"$log" 2>&1 </dev/null &
  local group=$!
  echo "$group" >"$LAYERMOVER_LOCALSTACK_DATA/group"
  local end=$((SECONDS + READY_SECONDS_MAX))
  while ((SECONDS < end)); do
    kill -0 "$group" 2>/dev/null || break
    grep -q '^Ready\.' "$log" && return
    sleep 0.5
  done
  echo "LocalStack did not start; the end of $log:" >&2
  tail -20 "$log" >&2
  ./down.sh
  exit 1
}

is_running && { echo "LocalStack runs already at $endpoint; end it with localstack/down.sh" >&2; exit 1; }
(cd "$LAYERMOVER_LOCALSTACK_DATA" && rm -rf fs home tmp plugin cdk.out log deploy.log outputs.json cloud.json)
case ${LAYERMOVER_LOCALSTACK:-$(timeout 10 docker info >/dev/null 2>&1 && echo docker || echo host)} in
  docker) in_docker ;;
  host) without_docker ;;
  *) echo "LAYERMOVER_LOCALSTACK is docker or host" >&2; exit 2 ;;
esac
echo "LocalStack is ready at $endpoint" >&2

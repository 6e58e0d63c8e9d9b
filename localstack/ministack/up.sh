#!/usr/bin/env bash
# Starts MiniStack in the background, on 127.0.0.1 alone, with IAM enforced. Exits with 77 if this machine can't. down.sh ends it.
set -euo pipefail
. "$(dirname "$0")/paths.sh"
READY_SECONDS_MAX=60
data=$LAYERMOVER_MINISTACK_DATA

is_running && { echo "MiniStack runs already at $endpoint; end it with localstack/ministack/down.sh" >&2; exit 1; }
"$here/install.sh"
mkdir -p "$data/home" "$data/tmp"
(cd "$data" && rm -rf cdk.out log deploy.log outputs.json cloud.json home/* tmp/*)
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
(umask 077 && printf 'AWS_ACCESS_KEY_ID=AKIA%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$(random 8 | tr a-f A-F)" "$(random 20)" >"$data/root-key")
. "$data/root-key"

# A process group of its own, which down.sh ends as a whole; the environment holds what it is told and nothing else.
log=$data/log
setsid env --ignore-environment \
  PATH="$(dirname "$(node --print process.execPath)"):$PATH" HOME="$data/home" TMPDIR="$data/tmp" LANG=C.UTF-8 \
  PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LAYERMOVER_MINISTACK_DATA="$data" \
  AUTH=true BIND_HOST=127.0.0.1 GATEWAY_PORT="$LAYERMOVER_MINISTACK_PORT" MINISTACK_HOST=127.0.0.1 MINISTACK_REGION="$region" MINISTACK_ACCOUNT_ID="$account" \
  LAMBDA_EXECUTOR=local IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 LOG_LEVEL=WARNING \
  AWS_ACCESS_KEY_ID="$AWS_ACCESS_KEY_ID" AWS_SECRET_ACCESS_KEY="$AWS_SECRET_ACCESS_KEY" AWS_ENDPOINT_URL="$endpoint" AWS_DEFAULT_REGION="$region" \
  "$LAYERMOVER_MINISTACK_HOME/venv/bin/python" "$here/server.py" >"$log" 2>&1 </dev/null &
group=$!
echo "$group" >"$data/group"
end=$((SECONDS + READY_SECONDS_MAX))
while ((SECONDS < end)) && kill -0 "$group" 2>/dev/null; do
  if curl -sf --max-time 5 "$endpoint/_ministack/health" 2>/dev/null | grep -q '"auth": *"enabled"'; then
    echo "MiniStack is ready at $endpoint" >&2
    exit
  fi
  sleep 0.2
done
echo "MiniStack did not start; the end of $log:" >&2
tail -20 "$log" >&2
"$here/down.sh"
exit 1

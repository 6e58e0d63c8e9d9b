#!/usr/bin/env bash
# Deploys the CDK app, as it is for AWS, on the MiniStack that up.sh started, by the CDK's own command, and writes how to connect to
# .layermover/ministack/cloud.json.
set -euo pipefail
. "$(dirname "$0")/paths.sh"
BOOTSTRAP_SECONDS_MAX=120 DEPLOY_SECONDS_MAX=180
data=$LAYERMOVER_MINISTACK_DATA

is_running || { echo "no MiniStack at $endpoint: start it with localstack/ministack/up.sh" >&2; exit 1; }
as_root
cd "$repository"
log=$data/deploy.log

quietly() { # quietly SECONDS COMMAND…: its words only if it fails
  timeout --foreground --kill-after=10 "$@" >>"$log" 2>&1 </dev/null && return
  tail -40 "$log" | cut -c 1-400 >&2
  exit 1
}
: >"$log"
quietly "$BOOTSTRAP_SECONDS_MAX" cdk bootstrap "aws://$account/$region" --ci --output "$data/cdk.out"
quietly "$DEPLOY_SECONDS_MAX" cdk deploy --require-approval never --ci --output "$data/cdk.out" --outputs-file "$data/outputs.json" "$@"
(umask 077 && node localstack/ministack/connect.ts "$data/outputs.json" "$endpoint" >"$data/cloud.json")
echo "$data/cloud.json"

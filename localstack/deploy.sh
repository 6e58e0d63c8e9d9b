#!/usr/bin/env bash
# Deploys the CDK app on the LocalStack that up.sh started, by the CDK's own command, and writes how to connect to
# .layermover/localstack/cloud.json: `layermover … --cloud` takes that.
set -euo pipefail
cd "$(dirname "$0")"
. host/paths.sh
BOOTSTRAP_SECONDS_MAX=180 DEPLOY_SECONDS_MAX=300
data=$LAYERMOVER_LOCALSTACK_DATA
log=$data/deploy.log

quietly() { # quietly SECONDS COMMAND…: its words only if it fails
  timeout --foreground --kill-after=10 "$@" >>"$log" 2>&1 </dev/null && return
  tail -40 "$log" | cut -c 1-400 >&2
  exit 1
}
: >"$log"
quietly "$BOOTSTRAP_SECONDS_MAX" ./cdk.sh bootstrap aws://000000000000/us-east-1
# LocalStack's gateway tells functions nobody's ARN: emulated-callers takes it from the access key id.
quietly "$DEPLOY_SECONDS_MAX" ./cdk.sh deploy --context emulated-callers=true --require-approval never --outputs-file "$data/outputs.json"
node connect.ts "$data/outputs.json" "$endpoint" >"$data/cloud.json"
echo "$data/cloud.json"

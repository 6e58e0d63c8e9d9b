#!/usr/bin/env bash
# Deploys the CDK app on the LocalStack that up.sh started, by the CDK's own command, and writes how to connect to
# .layermover/localstack/cloud.json: `layermover … --cloud` takes that.
set -euo pipefail
cd "$(dirname "$0")"
. host/paths.sh
BOOTSTRAP_SECONDS_MAX=180 DEPLOY_SECONDS_MAX=300
data=$LAYERMOVER_LOCALSTACK_DATA

curl -sf --max-time 10 "$endpoint/_localstack/health" >/dev/null || { echo "no LocalStack at $endpoint: start it with localstack/up.sh" >&2; exit 1; }

# No account of the user's is ever meant: what the environment says of one does not count.
for variable in ${!AWS_*}; do unset "$variable"; done
export AWS_ENDPOINT_URL=$endpoint AWS_ENDPOINT_URL_S3=$endpoint AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_REGION=us-east-1 AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
cd "$repository"
log=$data/deploy.log

quietly() { # quietly SECONDS COMMAND…: its words only if it fails
  timeout --foreground --kill-after=10 "$@" >>"$log" 2>&1 </dev/null && return
  tail -40 "$log" | cut -c 1-400 >&2
  exit 1
}
: >"$log"
quietly "$BOOTSTRAP_SECONDS_MAX" cdk bootstrap aws://000000000000/us-east-1 --ci --output "$data/cdk.out"
# LocalStack's gateway tells functions nobody's ARN: emulated-callers takes it from the access key id.
quietly "$DEPLOY_SECONDS_MAX" cdk deploy --context emulated-callers=true --require-approval never --ci \
  --output "$data/cdk.out" --outputs-file "$data/outputs.json"
node localstack/connect.ts "$data/outputs.json" "$endpoint" >"$data/cloud.json"
echo "$data/cloud.json"

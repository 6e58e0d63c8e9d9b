#!/usr/bin/env bash
# The CDK's own command, on the LocalStack that up.sh started: localstack/cdk.sh WORDS…
set -euo pipefail
cd "$(dirname "$0")"
. host/paths.sh

curl -sf --max-time 10 "$endpoint/_localstack/health" >/dev/null || { echo "no LocalStack at $endpoint: start it with localstack/up.sh" >&2; exit 1; }

# No account of the user's is ever meant: what the environment says of one does not count.
for variable in ${!AWS_*}; do unset "$variable"; done
export AWS_ENDPOINT_URL=$endpoint AWS_ENDPOINT_URL_S3=$endpoint AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_REGION=us-east-1 AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
cd "$repository"
exec cdk "$@" --ci --output "$LAYERMOVER_LOCALSTACK_DATA/cdk.out"

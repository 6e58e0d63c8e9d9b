#!/usr/bin/env bash
# LocalStack in the foreground, on 127.0.0.1 alone; what it is told comes here and nowhere else. up.sh runs it in the background.
set -euo pipefail
. "$(dirname "$0")/paths.sh"
home=$LAYERMOVER_LOCALSTACK_HOME data=$LAYERMOVER_LOCALSTACK_DATA port=$LAYERMOVER_LOCALSTACK_PORT
mkdir -p "$data/fs" "$data/home" "$data/tmp"
# A copy, so that Python leaves its byte code there and none in the repository.
rm -rf "$data/plugin" && cp -r "$here/plugin" "$data/plugin"
node=$(node --print process.execPath)

exec env --ignore-environment \
  PATH="$home/venv/bin:$PATH" HOME="$data/home" TMPDIR="$data/tmp" LANG=C.UTF-8 \
  PYTHONPATH="$data/plugin" PYTHONUNBUFFERED=1 \
  LAYERMOVER_LOCALSTACK_DATA="$data" LOCALSTACK_HOST="127.0.0.1:$port" GATEWAY_LISTEN="127.0.0.1:$port" GATEWAY_SERVER=loopback DNS_ADDRESS=0 \
  OVERRIDE_IN_DOCKER=0 FILESYSTEM_ROOT="$data/fs" EAGER_SERVICE_LOADING=0 DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 \
  SQS_ENDPOINT_STRATEGY=path LAMBDA_RETRY_BASE_DELAY=1 LAMBDA_RUNTIME_EXECUTOR=node LAMBDA_NODE="$node" HOSTNAME_FROM_LAMBDA=127.0.0.1 \
  DYNAMODB_LOCAL="$here/dynamodb/LoopbackDynamoDb.java" DYNAMODB_JARS="$home/dynamodb" DYNAMODB_IN_MEMORY=1 DYNAMODB_HEAP_SIZE=512m DDB_LOCAL_TELEMETRY=0 \
  PROVIDER_OVERRIDE_DYNAMODB=v2 PROVIDER_OVERRIDE_DYNAMODBSTREAMS=v2 \
  AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 \
  "$home/venv/bin/python" -m localstack.runtime.main

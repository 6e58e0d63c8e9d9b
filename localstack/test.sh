#!/usr/bin/env bash
# Runs the end-to-end suite, and what only LocalStack is asked, on what deploy.sh deployed; at last the stack is updated and
# destroyed. Words go to vitest.
set -euo pipefail
cd "$(dirname "$0")"
. host/paths.sh
cd "$repository"
export LAYERMOVER_CLOUD=$LAYERMOVER_LOCALSTACK_DATA/cloud.json
# In the foreground: in the process group of whoever asked, which can end it as a whole.
exec timeout --foreground --kill-after=10 900 vitest run --config test/e2e/vitest.config.ts --mode localstack "$@"

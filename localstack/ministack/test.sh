#!/usr/bin/env bash
# Runs what only a cloud that enforces IAM can be asked, on what deploy.sh deployed. Words go to vitest.
set -euo pipefail
. "$(dirname "$0")/paths.sh"
cd "$repository"
export LAYERMOVER_CLOUD=$LAYERMOVER_MINISTACK_DATA/cloud.json
# In the foreground: in the process group of whoever asked, which can end it as a whole.
exec timeout --foreground --kill-after=10 300 vitest run --config test/e2e/vitest.config.ts --mode ministack "$@"

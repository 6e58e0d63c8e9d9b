#!/usr/bin/env bash
# .ci/lint-template.sh REPORT - cfn-lint on the synthesized template, which counts as one test. REPORT is in the form that
# .ci/sum.js reads. The linter comes from PyPI, every file by its hash, into a cache for all clones.
set -euo pipefail
report=$(realpath "${1:?usage: .ci/lint-template.sh REPORT}")
cd "$(dirname "$0")/.."
export PATH=$PWD/node_modules/.bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -c 'import venv, ensurepip' 2>/dev/null || {
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 120 apt-get install -y -qq python3-venv >/dev/null
}
wanted=$(sha256sum <.ci/cfn-lint/requirements.txt | cut -c 1-16)
home=${XDG_CACHE_HOME:-$HOME/.cache}/layermover/cfn-lint-$wanted
if [ ! -e "$home/installed" ]; then
  mkdir -p "$(dirname "$home")"
  exec 9>"$home.lock"
  flock --timeout 300 9
  if [ ! -e "$home/installed" ]; then
    rm -rf "$home"
    python3 -m venv "$home"
    timeout 300 "$home/bin/pip" install -q --disable-pip-version-check --no-compile --require-hashes --no-deps -r .ci/cfn-lint/requirements.txt
    touch "$home/installed"
  fi
fi
lint() { timeout 120 "$home/bin/cfn-lint" --config-file .ci/cfn-lint/cfnlintrc.yaml --regions eu-central-1 us-east-1 -- "$@"; }

CDK_OUTDIR=$work/out timeout 120 node infra/app.ts
template=$work/out/LayerMover.template.json

# A linter that finds nothing in this reads nothing.
echo '{ "Resources": { "Bucket": { "Type": "AWS::S3::Bucket", "Properties": { "Colour": "red" } } } }' >"$work/faulty.json"
if lint "$work/faulty.json" >/dev/null; then echo 'cfn-lint takes an unknown property for good' >&2; exit 1; fi

failed=0
lint "$template" || failed=1
resources=$(node --print "Object.keys(JSON.parse(require('fs').readFileSync('$template', 'utf8')).Resources).length")
echo "cfn-lint: $resources resources, $([ "$failed" = 0 ] && echo no || echo some) findings"
echo "{\"numPassedTests\":$((1 - failed)),\"numFailedTests\":$failed,\"numFailedTestSuites\":0,\"numPendingTests\":0}" >"$report"
exit "$failed"

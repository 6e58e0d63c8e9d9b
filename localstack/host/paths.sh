# Where things are; the other scripts source it. Set the variables in capitals to change that.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
export PATH=$repository/node_modules/.bin:$PATH

# What is installed, once for all clones, and never within one.
export LAYERMOVER_LOCALSTACK_HOME=${LAYERMOVER_LOCALSTACK_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/layermover/localstack-4.14.0}
# What one run keeps: log, process id, functions' code, and how to connect.
export LAYERMOVER_LOCALSTACK_DATA=${LAYERMOVER_LOCALSTACK_DATA:-$repository/.layermover/localstack}
export LAYERMOVER_LOCALSTACK_PORT=${LAYERMOVER_LOCALSTACK_PORT:-4566}

SKIPPED=77 # exit status: this machine lacks something, so nothing was done

lacks() { # lacks WHAT: says so and skips
  echo "LocalStack without Docker needs $1: skipped" >&2
  exit "$SKIPPED"
}

endpoint=http://127.0.0.1:$LAYERMOVER_LOCALSTACK_PORT

is_running() { # whether the process that up.sh noted is there, and is that one: numbers of processes are used again
  local id
  id=$(cat "$LAYERMOVER_LOCALSTACK_DATA/group" 2>/dev/null) || return 1
  grep -qzFx "LAYERMOVER_LOCALSTACK_DATA=$LAYERMOVER_LOCALSTACK_DATA" "/proc/$id/environ" 2>/dev/null
}

find_python() { # prints a Python that LocalStack runs on: it uses what 3.13 brought
  local each
  for each in ${PYTHON:-} python3.13 python3.14 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[3-9]*/bin/python; do
    "$each" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 13))' 2>/dev/null && command -v "$each" && return
  done
  return 1
}

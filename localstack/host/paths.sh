# Where things are; the other scripts source it. Set the variables in capitals to change that.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
export PATH=$repository/node_modules/.bin:$PATH

# What is installed, once for all clones, and never within one.
LAYERMOVER_LOCALSTACK_HOME=${LAYERMOVER_LOCALSTACK_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/layermover/localstack-4.14.0}
# What one run keeps: log, process id, functions' code, and how to connect.
LAYERMOVER_LOCALSTACK_DATA=${LAYERMOVER_LOCALSTACK_DATA:-$repository/.layermover/localstack}
LAYERMOVER_LOCALSTACK_PORT=${LAYERMOVER_LOCALSTACK_PORT:-4566}

SKIPPED=77 # exit status: this machine lacks something, so nothing was done

lacks() { # lacks WHAT: says so and skips
  echo "LocalStack without Docker needs $1: skipped" >&2
  exit "$SKIPPED"
}

endpoint=http://127.0.0.1:$LAYERMOVER_LOCALSTACK_PORT

is_running() { # whether any process of the group that up.sh started is left
  [ -e "$LAYERMOVER_LOCALSTACK_DATA/group" ] && kill -0 -- "-$(cat "$LAYERMOVER_LOCALSTACK_DATA/group")" 2>/dev/null
}

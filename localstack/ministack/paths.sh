# Where things are; the other scripts source it. Set the variables in capitals to change that.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
export PATH=$repository/node_modules/.bin:$PATH

# What is installed, once for all clones; what one run keeps; its port.
export LAYERMOVER_MINISTACK_HOME=${LAYERMOVER_MINISTACK_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/layermover/ministack-1.5.33}
export LAYERMOVER_MINISTACK_DATA=${LAYERMOVER_MINISTACK_DATA:-$repository/.layermover/ministack}
export LAYERMOVER_MINISTACK_PORT=${LAYERMOVER_MINISTACK_PORT:-4577}

SKIPPED=77 # exit status: this machine lacks something, so nothing was done
account=000000000000 region=us-east-1
endpoint=http://127.0.0.1:$LAYERMOVER_MINISTACK_PORT

is_running() { # whether the process that up.sh noted is there, and is that one: numbers of processes are used again
  local id
  id=$(cat "$LAYERMOVER_MINISTACK_DATA/group" 2>/dev/null) || return 1
  grep -qzFx "LAYERMOVER_MINISTACK_DATA=$LAYERMOVER_MINISTACK_DATA" "/proc/$id/environ" 2>/dev/null
}

as_root() { # the environment of commands for this cloud: the account's root, whose keys up.sh made, and nothing of the user's own account
  for variable in ${!AWS_*}; do unset "$variable"; done
  . "$LAYERMOVER_MINISTACK_DATA/root-key"
  export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  export AWS_ENDPOINT_URL=$endpoint AWS_ENDPOINT_URL_S3=$endpoint AWS_REGION=$region
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
}


fact() { printf '%s\t' "$1"; base64 | tr -d '\n'; echo; }
file() { [ -e "$2" ] || return 0; stat -c '%a %u %g' "$2" | fact "$1.stat"; fact "$1.bytes" <"$2"; }

user=${SUDO_USER:-$(id -un)}
home=$(getent passwd "$user" | cut -d: -f6)
printf '%s' "$user" | fact user
printf '%s' "$home" | fact home
printf '%s:%s' "$(id -u "$user")" "$(id -g "$user")" | fact ids
id -nG "$user" | fact groups
getent group docker | fact docker_group
uname -srm | fact kernel
( . /etc/os-release; printf '%s' "$PRETTY_NAME" ) 2>/dev/null | fact os
cat /proc/meminfo | fact meminfo

nvidia-smi --query-gpu=uuid,name,driver_version --format=csv,noheader 2>/dev/null | fact gpus
command -v nvidia-container-runtime 2>/dev/null | fact nvidia_runtime
nvidia-ctk --version 2>/dev/null | head -n 1 | fact nvidia_toolkit
ip -j -4 address show 2>/dev/null | fact addresses
for device in /sys/class/infiniband/*/device/net/*; do
  [ -e "$device" ] || continue
  rdma=${device%/device/net/*}
  printf '%s %s\n' "${device##*/}" "${rdma##*/}"
done | fact rdma

docker --version 2>/dev/null | fact docker_cli
docker info --format '{{json .}}' 2>/dev/null | fact docker_info
docker ps --format '{{.Names}}' 2>/dev/null | fact containers
docker network ls --format '{{.Name}}' 2>/dev/null | fact networks
docker image ls --filter label=sparkctl.image --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | fact images
docker ps -a --filter label=sparkctl.run --format '{{.Names}}' 2>/dev/null | fact run_containers
if ids=$(docker node ls -q 2>/dev/null) && [ -n "$ids" ]; then
  docker node inspect --format '{{json .}}' $ids 2>/dev/null | fact swarm_nodes
  docker service ls --filter label=sparkctl.run --format '{{.Name}}' 2>/dev/null | fact services
fi

file daemon_json /etc/docker/daemon.json
file runtime_config /etc/nvidia-container-runtime/config.toml

path=/var/lib/sparkctl
case $path in '~'*) path=$home${path#'~'} ;; esac
if [ -d "$path" ]; then
  { stat -c '%a %u %g' "$path"; [ -n "$(ls -A "$path" 2>/dev/null)" ] || echo empty; }
else
  nearest=${path%/*}
  until [ -d "${nearest:-/}" ]; do nearest=${nearest%/*}; done
  printf 'absent %s' "${nearest:-/}"
fi | fact folder./var/lib/sparkctl

path='~/sparkctl/runs'
case $path in '~'*) path=$home${path#'~'} ;; esac
if [ -d "$path" ]; then
  { stat -c '%a %u %g' "$path"; [ -n "$(ls -A "$path" 2>/dev/null)" ] || echo empty; }
else
  nearest=${path%/*}
  until [ -d "${nearest:-/}" ]; do nearest=${nearest%/*}; done
  printf 'absent %s' "${nearest:-/}"
fi | fact 'folder.~/sparkctl/runs'

path='~/sparkctl/cache'
case $path in '~'*) path=$home${path#'~'} ;; esac
if [ -d "$path" ]; then
  { stat -c '%a %u %g' "$path"; [ -n "$(ls -A "$path" 2>/dev/null)" ] || echo empty; }
else
  nearest=${path%/*}
  until [ -d "${nearest:-/}" ]; do nearest=${nearest%/*}; done
  printf 'absent %s' "${nearest:-/}"
fi | fact 'folder.~/sparkctl/cache'

path='~/.cache/huggingface'
case $path in '~'*) path=$home${path#'~'} ;; esac
if [ -d "$path" ]; then
  { stat -c '%a %u %g' "$path"; [ -n "$(ls -A "$path" 2>/dev/null)" ] || echo empty; }
else
  nearest=${path%/*}
  until [ -d "${nearest:-/}" ]; do nearest=${nearest%/*}; done
  printf 'absent %s' "${nearest:-/}"
fi | fact 'folder.~/.cache/huggingface'

for record in /var/lib/sparkctl/journal/*.json; do
  [ -e "$record" ] && fact "journal.${record##*/}" <"$record"
done
:
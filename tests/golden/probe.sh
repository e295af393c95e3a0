fact() { printf '%s\t' "$1"; base64 -w 0; echo; }
file() { [ -r "$2" ] || return 0; stat -L -c '%a %u %g' "$2" | fact "$1.stat"; fact "$1.bytes" <"$2"; }

user=${SUDO_USER:-$(id -un)}
home=$(getent passwd "$user" | cut -d: -f6)
printf '%s' "$user" | fact user
printf '%s' "$home" | fact home
printf '%s:%s' "$(id -u "$user")" "$(id -g "$user")" | fact ids
cat /proc/meminfo | fact meminfo
nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null | fact gpu_memory
ip -j -4 address show 2>/dev/null | fact addresses
for device in /sys/class/infiniband/*/device/net/*; do
  [ -e "$device" ] || continue
  rdma=${device%/device/net/*}
  printf '%s %s\n' "${device##*/}" "${rdma##*/}"
done | fact rdma
info=$(docker info --format '{{json .}}' 2>/dev/null)
printf '%s' "$info" | fact docker_info

cat /etc/machine-id 2>/dev/null | fact machine_id
cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | cut -d' ' -f1,2 | fact host_keys
id -nG "$user" | fact groups
getent group docker | fact docker_group
getent gshadow docker 2>/dev/null | cut -d: -f4 | fact docker_gshadow
uname -srm | fact kernel
{ grep -qw kho=off /proc/cmdline && echo yes; } 2>/dev/null | fact kho_off
for device in /sys/class/net/*; do
  speed=$(cat "$device/speed" 2>/dev/null) && printf '%s %s\n' "${device##*/}" "$speed"
done | fact speeds
( . /etc/os-release; printf '%s' "$PRETTY_NAME" ) 2>/dev/null | fact os
gpus() { nvidia-smi --query-gpu="uuid,name,driver_version$1" --format=csv,noheader,nounits 2>/dev/null; }
if rows=$(gpus ,utilization.gpu,power.draw,temperature.gpu,memory.used); then printf '%s\n' "$rows"; else gpus ''; fi | fact gpus
command -v nvidia-container-runtime 2>/dev/null | fact nvidia_runtime
nvidia-ctk --version 2>/dev/null | head -n 1 | fact nvidia_toolkit

most_strangers=500
run_label=sparkctl.run
image_label=sparkctl.image
# A start of Docker's client takes longer than all that is not Docker's: each list is asked for once,
# and what `docker info` has told (its own version; that there is nothing) is not asked again.
# A label comes as JSON, so that what is in it stays in its line.
cli=$(printf '%s\n' "$info" | sed -n '/"ClientInfo":{/{
  s/.*"ClientInfo":{//; s/"Plugins":.*//; s/.*"Version":"\([^"]*\)".*/Docker version \1/p
  }')
[ -n "$cli" ] || cli=$(docker --version 2>/dev/null)
printf '%s' "$cli" | fact docker_cli
case $info in
  *'"Containers":0,'*) all= ;;
  *) all=$(docker ps -a --format '{{.ID}} {{.State}} {{.Names}} {{json (.Label "'"$run_label"'")}}' 2>/dev/null) ;;
esac
running=$(printf '%s\n' "$all" | sed -nE 's/^([0-9a-f]+) (running|paused|restarting) ([^ ]+) .*/\1 \3/p')
printf '%s\n' "$running" | cut -d' ' -f2 | fact containers
printf '%s\n' "$all" | sed -nE '/ ""$/!s/^[^ ]+ [^ ]+ ([^ ]+) .*/\1/p' | fact run_containers
ids=$(printf '%s\n' "$running" | cut -d' ' -f1 | head -n "$most_strangers")
{ [ -z "$ids" ] || docker inspect --format '{{.Name}} {{or .HostConfig.RestartPolicy.Name "no"}} {{.HostConfig.AutoRemove}} {{.Config.Image}} {{with index .Config.Labels "com.docker.swarm.service.name"}}{{.}}{{else}}-{{end}} {{with index .Config.Labels "'"$run_label"'"}}{{.}}{{else}}-{{end}}' $ids 2>/dev/null; } | fact running
networks=$(docker network ls --format '{{.Scope}} {{.Name}} {{json (.Label "'"$run_label"'")}}' 2>/dev/null)
printf '%s\n' "$networks" | cut -d' ' -f2 | fact networks
case $info in *'"Images":0,'*) ;; *) docker image ls --filter label="$image_label" --format '{{.Repository}}:{{.Tag}}' 2>/dev/null ;; esac | fact images
daemon_json=/etc/docker/daemon.json
tr '\0' '\n' <"/proc/$(systemctl show -p MainPID --value docker.service 2>/dev/null)/cmdline" 2>/dev/null |
  sed 1d | fact dockerd_flags
if systemctl is-active --quiet snap.docker.dockerd.service 2>/dev/null; then echo 'the snap docker'
else case $cli in *[Pp]odman*) echo podman-docker ;; esac
fi | fact docker_from
case $info in
  *'"ServerVersion":"'[0-9]*) ;;
  *) journalctl -u docker.service -n 8 --no-pager -o cat 2>/dev/null | fact docker_log ;;
esac
root=$(sed -n 's/.*"data-root"[^"]*"\([^"]*\)".*/\1/p' "$daemon_json" 2>/dev/null)
printf '%s' "${root:-/var/lib/docker}" | fact docker_root
run_label=sparkctl.run
most_strangers=500
[ ! -r "${root:-/var/lib/docker}/swarm/docker-state.json" ] ||
  fact swarm_on_disk <"${root:-/var/lib/docker}/swarm/docker-state.json"
case $info in *'"ControlAvailable":true'*) ids=$(docker node ls -q 2>/dev/null) ;; *) ids= ;; esac
if [ -n "$ids" ]; then
  docker node inspect --format '{{json .}}' $ids 2>/dev/null | fact swarm_nodes
  ids=$(docker service ls -q 2>/dev/null | head -n "$most_strangers")
  services=$([ -z "$ids" ] || docker service inspect --format '{{.ID}} {{.Spec.Name}} {{with index .Spec.Labels "com.docker.stack.namespace"}}{{.}}{{else}}-{{end}} {{with index .Spec.Labels "'"$run_label"'"}}{{.}}{{else}}-{{end}}' $ids 2>/dev/null)
  printf '%s\n' "$services" | cut -d' ' -f2- | fact services
  ids=$(printf '%s\n' "$services" | sed -nE '/ -$/!s/^([a-z0-9]{25}) .*/\1/p')
  { [ -z "$ids" ] || docker service ps --format '{{.CurrentState}} {{.Node}}' $ids 2>/dev/null; } |
    sed -nE 's/^(New|Pending|Assigned|Accepted|Preparing|Ready|Starting|Running) .* ([^ ]+)$/\2/p' | fact busy
  {
    for kind in secret config; do
      docker $kind ls --format "$kind {{.Name}} {{or (.Label \"$run_label\") \"-\"}}" 2>/dev/null | head -n "$most_strangers"
    done
    printf '%s\n' "$networks" | sed -nE '/^swarm ingress /d; s/^swarm ([^ ]+) "([^" ]+)"$/network \1 \2/p; t
      s/^swarm ([^ ]+) .*/network \1 -/p' | head -n "$most_strangers"
  } | fact things
fi

# `mounted FOLDER` prints the mount points at and below it, bind mounts of its own file system among
# them, which `rm --one-file-system` and `find -xdev` do not stop at. `mounted_above FOLDER TOP`
# prints those that it lies in and that are below TOP. Both as the kernel writes them, with blanks
# in octal: a path can be escaped without a slip, but not unescaped.
kernel_s() { readlink -f -- "$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g'; }
mounted() {
  real=$(kernel_s "$1")
  while read -r _ _ _ _ point _; do
    case $point in "$real" | "$real"/*) printf '%s\n' "$point" ;; esac
  done </proc/self/mountinfo
}
mounted_above() {
  real=$(kernel_s "$1")
  top=$(kernel_s "$2")
  while read -r _ _ _ _ point _; do
    case $point in "${top%/}"/*)
      case $real in "$point"/*) printf '%s\n' "$point" ;; esac ;;
    esac
  done </proc/self/mountinfo
}
state=/var/lib/sparkctl
daemon_json=/etc/docker/daemon.json
daemon_folder=/etc/docker
daemon_name=daemon.json
runtime_config=/etc/nvidia-container-runtime/config.toml
if [ ! -d "$daemon_folder" ]; then echo absent
elif ls -A "$daemon_folder" | grep -qvx "$daemon_name"; then echo shared
else echo alone; fi | fact daemon_folder
for path in "$daemon_json" "$runtime_config"; do
  [ ! -L "$path" ] || printf '%s %s\n' "$path" "$(readlink "$path")"
done | fact links
real() { if [ -L "$1" ]; then readlink -f -- "$1"; else printf '%s\n' "$1"; fi; }
for path in "$daemon_json" "$runtime_config"; do
  real=$(real "$path")
  folder=${real%/*}
  until [ -d "${folder:-/}" ]; do folder=${folder%/*}; done
  if [ -L "$path" ] && [ ! -e "$path" ]; then why='it is a link to what is not there'
  elif [ -e "$path" ] && [ ! -f "$path" ]; then why='it is not a file'
  elif [ -e "$path" ] && [ -n "$(mounted "$path")" ]; then why='it is a mount of its own'
  elif [ -e "$path" ] && [ ! -w "$path" ]; then why='it is read-only or immutable (lsattr)'
  elif [ ! -w "${folder:-/}" ]; then why="${folder:-/} is read-only or immutable (lsattr)"
  else continue; fi
  printf '%s %s\n' "$path" "$why"
done | fact fixed
file daemon_json "$daemon_json"
file runtime_config "$runtime_config"
daemon=$(real "$daemon_json")
runtime=$(real "$runtime_config")
# Nothing where a link leads to no folder: a bare pattern would mean the folder that we are in.
for copy in "${daemon:-$daemon_json}".sparkctl.* "${runtime:-$runtime_config}".sparkctl.* \
            "$state"/journal/*.json.sparkctl.*; do
  [ ! -e "$copy" ] || printf '%s\n' "$copy"
done | fact staged
most_entries=101
folder() {
  case $1 in '~'*) path=$home${1#'~'} ;; *) path=$1 ;; esac
  if [ -d "$path" ]; then
    stat -L -c '%a %u %g' "$path"
    mounted "$path" | sed 's/^/mount /'
    mounted_above "$path" / | sed 's/^/above /'
    ls -A "$path" 2>/dev/null | head -n "$most_entries" | sed 's/^/entry /'
    [ -z "$2" ] || timeout 2 du -skx "$path" 2>/dev/null | sed 's/^\([0-9]*\).*/size \1/'
    while [ -n "$path" ]; do
      [ ! -L "$path" ] || printf 'link %s\n' "$path"
      path=${path%/*}
    done
  else
    nearest=${path%/*}
    under=$path
    until [ -d "${nearest:-/}" ]; do under=$nearest; nearest=${nearest%/*}; done
    printf 'absent %s\n' "${nearest:-/}"
    if [ -L "$under" ]; then printf 'blocked %s is a link to what is not there\n' "$under"
    elif [ -e "$under" ]; then printf 'blocked %s is not a folder\n' "$under"
    fi
  fi | fact "folder.$1"
}
folder /var/lib/sparkctl ''
folder '~/sparkctl/runs' ''
folder '~/sparkctl/data' ''
folder '~/.cache/huggingface/hub' ''
state=/var/lib/sparkctl
most_bytes=4194304
for record in "$state"/journal/*.json; do
  [ -f "$record" ] || continue
  head -c "$most_bytes" "$record" | fact "journal.${record##*/}"
  # A folder of an earlier cluster file has to be seen too, or it could not be given back.
  sed -n 's/^ *"path": "\(.*\)",*$/\1/p' "$record" | while IFS= read -r path; do folder "$path" ''; done
done
folder '~/sparkctl/cache/sparkctl' sized
:

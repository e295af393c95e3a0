# What is printed after `fact NAME` is its value, up to the next one. The mark is drawn on the machine,
# so that no value can hold it; a value stays as it is, and no process stands between.
IFS= read -r mark </proc/sys/kernel/random/uuid
printf '%s' "$mark"
fact() { printf '\n%s %s %s\n' "$mark" "$1" "$mark"; }
file() { [ -r "$2" ] || return 0; fact "$1.stat"; stat -L -c '%a %u %g' "$2"; fact "$1.bytes"; cat "$2"; }

user=${SUDO_USER:-$(id -un)}
home=$(getent passwd "$user" | cut -d: -f6)
fact user; printf '%s' "$user"
fact home; printf '%s' "$home"
fact ids; printf '%s:%s' "$(id -u "$user")" "$(id -g "$user")"
fact meminfo; cat /proc/meminfo
fact gpu_memory; nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null
fact addresses; ip -j -4 address show 2>/dev/null
fact rdma
for device in /sys/class/infiniband/*/device/net/*; do
  [ -e "$device" ] || continue
  rdma=${device%/device/net/*}
  printf '%s %s\n' "${device##*/}" "${rdma##*/}"
done
info=$(docker info --format '{{json .}}' 2>/dev/null)
fact docker_info; printf '%s' "$info"

fact machine_id; cat /etc/machine-id 2>/dev/null
fact host_keys; cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | cut -d' ' -f1,2
fact groups; id -nG "$user"
fact docker_group; getent group docker
fact docker_gshadow; getent gshadow docker 2>/dev/null | cut -d: -f4
fact kernel; uname -srm
fact kho_off; grep -qw kho=off /proc/cmdline 2>/dev/null && echo yes
fact speeds
for device in /sys/class/net/*; do
  speed=$(cat "$device/speed" 2>/dev/null) && printf '%s %s\n' "${device##*/}" "$speed"
done
fact os
( . /etc/os-release; printf '%s' "$PRETTY_NAME" ) 2>/dev/null
gpus() { nvidia-smi --query-gpu="uuid,name,driver_version$1" --format=csv,noheader,nounits 2>/dev/null; }
fact gpus
if rows=$(gpus ,utilization.gpu,power.draw,temperature.gpu,memory.used); then printf '%s\n' "$rows"; else gpus ''; fi
fact nvidia_runtime; command -v nvidia-container-runtime 2>/dev/null
fact nvidia_toolkit; nvidia-ctk --version 2>/dev/null | head -n 1

run_label=sparkctl.run
most_strangers=500
questions='GET /networks HTTP/1.1\r\nHost: docker\r\n\r\nGET /images/json?filters=%7B%22label%22%3A%20%5B%22sparkctl.image%22%5D%7D HTTP/1.1\r\nHost: docker\r\n\r\nGET /nodes HTTP/1.1\r\nHost: docker\r\n\r\nGET /services HTTP/1.1\r\nHost: docker\r\n\r\nGET /tasks HTTP/1.1\r\nHost: docker\r\n\r\nGET /secrets HTTP/1.1\r\nHost: docker\r\n\r\nGET /configs HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n'
most_bytes=16777216
# A start of Docker's client takes longer than all that is not Docker's: what `docker info` has told
# (its own version; that there is nothing) is not asked again, and one client carries all questions.
# A label comes as JSON, so that what is in it stays in its line.
cli=$(printf '%s\n' "$info" | sed -n '/"ClientInfo":{/{
  s/.*"ClientInfo":{//; s/"Plugins":.*//; s/.*"Version":"\([^"]*\)".*/Docker version \1/p
  }')
[ -n "$cli" ] || cli=$(docker --version 2>/dev/null)
fact docker_cli; printf '%s' "$cli"
case $info in
  *'"Containers":0,'*) all= ;;
  *) all=$(docker ps -a --format '{{.ID}} {{.State}} {{.Names}} {{json (.Label "'"$run_label"'")}}' 2>/dev/null) ;;
esac
running=$(printf '%s\n' "$all" | sed -nE 's/^([0-9a-f]+) (running|paused|restarting) ([^ ]+) .*/\1 \3/p')
fact containers; printf '%s\n' "$running" | cut -d' ' -f2
fact run_containers; printf '%s\n' "$all" | sed -nE '/ ""$/!s/^[^ ]+ [^ ]+ ([^ ]+) .*/\1/p'
ids=$(printf '%s\n' "$running" | cut -d' ' -f1 | head -n "$most_strangers")
fact running
[ -z "$ids" ] || docker inspect --format '{{.Name}} {{or .HostConfig.RestartPolicy.Name "no"}} {{.HostConfig.AutoRemove}} {{.Config.Image}} {{with index .Config.Labels "com.docker.swarm.service.name"}}{{.}}{{else}}-{{end}} {{with index .Config.Labels "'"$run_label"'"}}{{.}}{{else}}-{{end}}' $ids 2>/dev/null
# The engine gives up a question when its connection ends. So the questions come through a pipe of
# which this side is held open as well; the engine closes after the last one.
fact docker_answers
: | {
  exec 3<>/proc/self/fd/0
  printf '%b' "$questions" >&3
  timeout 40 docker system dial-stdio <&3 2>/dev/null | head -c "$most_bytes"
}
daemon_json=/etc/docker/daemon.json
fact dockerd_flags
tr '\0' '\n' <"/proc/$(systemctl show -p MainPID --value docker.service 2>/dev/null)/cmdline" 2>/dev/null |
  sed 1d
fact docker_from
if systemctl is-active --quiet snap.docker.dockerd.service 2>/dev/null; then echo 'the snap docker'
else case $cli in *[Pp]odman*) echo podman-docker ;; esac
fi
case $info in
  *'"ServerVersion":"'[0-9]*) ;;
  *) fact docker_log; journalctl -u docker.service -n 8 --no-pager -o cat 2>/dev/null ;;
esac
root=$(sed -n 's/.*"data-root"[^"]*"\([^"]*\)".*/\1/p' "$daemon_json" 2>/dev/null)
fact docker_root; printf '%s' "${root:-/var/lib/docker}"
fact swarm_on_disk; cat "${root:-/var/lib/docker}/swarm/docker-state.json" 2>/dev/null

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
fact daemon_folder
if [ ! -d "$daemon_folder" ]; then echo absent
elif ls -A "$daemon_folder" | grep -qvx "$daemon_name"; then echo shared
else echo alone; fi
fact links
for path in "$daemon_json" "$runtime_config"; do
  [ ! -L "$path" ] || printf '%s %s\n' "$path" "$(readlink "$path")"
done
real() { if [ -L "$1" ]; then readlink -f -- "$1"; else printf '%s\n' "$1"; fi; }
fact fixed
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
done
file daemon_json "$daemon_json"
file runtime_config "$runtime_config"
daemon=$(real "$daemon_json")
runtime=$(real "$runtime_config")
# Nothing where a link leads to no folder: a bare pattern would mean the folder that we are in.
fact staged
for copy in "${daemon:-$daemon_json}".sparkctl.* "${runtime:-$runtime_config}".sparkctl.* \
            "$state"/journal/*.json.sparkctl.*; do
  [ ! -e "$copy" ] || printf '%s\n' "$copy"
done
most_entries=101
folder() {
  case $1 in '~'*) path=$home${1#'~'} ;; *) path=$1 ;; esac
  fact "folder.$1"
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
  fi
}
folder /var/lib/sparkctl ''
folder '~/sparkctl/runs' ''
folder '~/sparkctl/data' ''
folder '~/.cache/huggingface/hub' ''
state=/var/lib/sparkctl
most_bytes=4194304
for record in "$state"/journal/*.json; do
  [ -f "$record" ] || continue
  fact "journal.${record##*/}"; head -c "$most_bytes" "$record"
  # A folder of an earlier cluster file has to be seen too, or it could not be given back.
  sed -n 's/^ *"path": "\(.*\)",*$/\1/p' "$record" | while IFS= read -r path; do folder "$path" ''; done
done
folder '~/sparkctl/cache/sparkctl' sized
:

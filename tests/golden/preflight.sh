# What is printed after `fact NAME` is its value, up to the next one. The mark is drawn on the machine,
# so that no value can hold it; a value stays as it is, and no process stands between.
IFS= read -r mark </proc/sys/kernel/random/uuid
printf '%s' "$mark"
fact() { printf '\n%s %s %s\n' "$mark" "$1" "$mark"; }
fact clock; date +%s.%N
nothing_came_back() {
  case $1 in
    tcp) said=$(LC_ALL=C timeout 3 bash -c ": </dev/tcp/$2/$3" 2>&1) ;;
    udp) said=$(LC_ALL=C timeout 3 bash -c "exec 3<>/dev/udp/$2/$3 || exit 0
      printf x >&3; read -r -t 2 -u 3; [ \$? -le 128 ] || echo timed out" 2>&1) ;;
  esac
  case "$?:$said" in 124:* | *'timed out'* | *unreachable* | *'No route'*) ;; *) return 1 ;; esac
}
blocked() { ! nothing_came_back "$@" || printf '%s %s %s\n' "$@"; }
command -v bash >/dev/null || blocked() { :; }
answers=$(
  { ping -c 1 -W 2 -I enp1s0f1np1 192.168.100.2 >/dev/null 2>&1 && echo peer spark-b; } &
  { users=$(nvidia-smi --query-compute-apps=pid,process_name --format=csv,noheader 2>/dev/null) && printf 'gpu answers\n%s\n' "$users" | sed '/^gpu/!s/^/user /'; } &
  nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | sed 's/^/driver /' &
  docker image inspect --format 'base {{.Id}}' nvcr.io/nvidia/pytorch:26.07-py3 2>/dev/null &
  docker image inspect --format 'image {{.Id}}' sparkctl/train:9c1437c0866a 2>/dev/null &
  wait
)
for what in peer shut gpu user driver base image; do
  fact "$what"; printf '%s\n' "$answers" | sed -n "s/^$what //p"
done
fact kernel; uname -r
fact kho_off; grep -qw kho=off /proc/cmdline 2>/dev/null && echo yes
fact toolkit; nvidia-ctk --version 2>/dev/null | head -n 1
fact memory; sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo
fact memory_total; sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo
fact disk.runs; df -Pk /home/nvidia/sparkctl/runs 2>/dev/null | awk 'NR == 2 {print $4}'
fact disk.models; df -Pk /home/nvidia/.cache/huggingface/hub 2>/dev/null | awk 'NR == 2 {print $4}'
fact missing
for folder in /home/nvidia/sparkctl/runs /home/nvidia/sparkctl/cache/sparkctl /home/nvidia/.cache/huggingface/hub /home/nvidia/sparkctl/data ; do
  [ -e "$folder" ] || printf '%s\n' "$folder"
done
fact port.29500
awk -v port=733C '$4 == "0A" && $2 ~ ":" port "$"' /proc/net/tcp /proc/net/tcp6 2>/dev/null
fact port.29501
awk -v port=733D '$4 == "0A" && $2 ~ ":" port "$"' /proc/net/tcp /proc/net/tcp6 2>/dev/null
fact uplink
awk '$2 == "00000000" && $8 == "00000000" {print $1}' /proc/net/route 2>/dev/null | sort -u
fact model; ls -A /home/nvidia/.cache/huggingface/hub/models--meta-llama--Llama-3.1-70B-Instruct/snapshots 2>/dev/null | head -n 1

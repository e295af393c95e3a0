fact addresses; ip -j -4 address show 2>/dev/null
fact rdma
for device in /sys/class/infiniband/*/device/net/*; do
  [ -e "$device" ] || continue
  rdma=${device%/device/net/*}
  printf '%s %s\n' "${device##*/}" "${rdma##*/}"
done

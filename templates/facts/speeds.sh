fact speeds
for device in /sys/class/net/*; do
  speed=$(cat "$device/speed" 2>/dev/null) && printf '%s %s\n' "${device##*/}" "$speed"
done

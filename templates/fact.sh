# What is printed after `fact NAME` is its value, up to the next one. The mark is drawn on the machine,
# so that no value can hold it; a value stays as it is, and no process stands between.
IFS= read -r mark </proc/sys/kernel/random/uuid
printf '%s' "$mark"
fact() { printf '\n%s %s %s\n' "$mark" "$1" "$mark"; }

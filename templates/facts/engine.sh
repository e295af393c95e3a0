info=$(docker info --format '{{json .}}' 2>/dev/null)
printf '%s' "$info" | fact docker_info

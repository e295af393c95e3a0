info=$(docker info --format '{{json .}}' 2>/dev/null)
fact docker_info; printf '%s' "$info"

id -nG "$user" | fact groups
getent group docker | fact docker_group
getent gshadow docker 2>/dev/null | cut -d: -f4 | fact docker_gshadow

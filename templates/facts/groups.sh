fact groups; id -nG "$user"
fact docker_group; getent group docker
fact docker_gshadow; getent gshadow docker 2>/dev/null | cut -d: -f4

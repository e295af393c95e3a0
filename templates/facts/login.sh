user=${SUDO_USER:-$(id -un)}
home=$(getent passwd "$user" | cut -d: -f6)
printf '%s' "$user" | fact user
printf '%s' "$home" | fact home
printf '%s:%s' "$(id -u "$user")" "$(id -g "$user")" | fact ids

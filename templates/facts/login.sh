user=${SUDO_USER:-$(id -un)}
home=$(getent passwd "$user" | cut -d: -f6)
fact user; printf '%s' "$user"
fact home; printf '%s' "$home"
fact ids; printf '%s:%s' "$(id -u "$user")" "$(id -g "$user")"

fact() { printf '%s\t' "$1"; base64 -w 0; echo; }

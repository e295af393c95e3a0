file() { [ -r "$2" ] || return 0; stat -L -c '%a %u %g' "$2" | fact "$1.stat"; fact "$1.bytes" <"$2"; }

file() { [ -r "$2" ] || return 0; fact "$1.stat"; stat -L -c '%a %u %g' "$2"; fact "$1.bytes"; cat "$2"; }

uname -srm | fact kernel
{ grep -qw kho=off /proc/cmdline && echo yes; } 2>/dev/null | fact kho_off

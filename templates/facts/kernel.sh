fact kernel; uname -srm
fact kho_off; grep -qw kho=off /proc/cmdline 2>/dev/null && echo yes

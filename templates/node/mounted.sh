# `mounted FOLDER` prints the mount points at and below it, bind mounts of its own file system among
# them, which `rm --one-file-system` and `find -xdev` do not stop at. `mounted_above FOLDER TOP`
# prints those that it lies in and that are below TOP. Both as the kernel writes them, with blanks
# in octal: a path can be escaped without a slip, but not unescaped.
kernel_s() { readlink -f -- "$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g'; }
mounted() {
  real=$(kernel_s "$1")
  while read -r _ _ _ _ point _; do
    case $point in "$real" | "$real"/*) printf '%s\n' "$point" ;; esac
  done </proc/self/mountinfo
}
mounted_above() {
  real=$(kernel_s "$1")
  top=$(kernel_s "$2")
  while read -r _ _ _ _ point _; do
    case $point in "${top%/}"/*)
      case $real in "$point"/*) printf '%s\n' "$point" ;; esac ;;
    esac
  done </proc/self/mountinfo
}

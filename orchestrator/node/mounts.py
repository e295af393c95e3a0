"""What is mounted in a folder: its files are on another disk or belong somewhere else."""

MOUNTED = r"""mounted() {
  # The kernel writes blanks as octal; so does this, for a path cannot be unescaped without a slip.
  real=$(readlink -f -- "$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g')
  while read -r _ _ _ _ point _; do
    case $point in "$real" | "$real"/*) printf '%s\n' "$point" ;; esac
  done </proc/self/mountinfo
}"""
"""Shell: `mounted FOLDER` prints the mount points at and below it, bind mounts of its own file
system among them, which `rm --one-file-system` and `find -xdev` do not stop at."""

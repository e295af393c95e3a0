folder() {
  case $1 in '~'*) path=$home${1#'~'} ;; *) path=$1 ;; esac
  fact "folder.$1"
  if [ -d "$path" ]; then
    stat -L -c '%a %u %g' "$path"
    mounted "$path" | sed 's/^/mount /'
    mounted_above "$path" / | sed 's/^/above /'
    ls -A "$path" 2>/dev/null | head -n "$most_entries" | sed 's/^/entry /'
    [ -z "$2" ] || timeout 2 du -skx "$path" 2>/dev/null | sed 's/^\([0-9]*\).*/size \1/'
    while [ -n "$path" ]; do
      [ ! -L "$path" ] || printf 'link %s\n' "$path"
      path=${path%/*}
    done
  else
    nearest=${path%/*}
    under=$path
    until [ -d "${nearest:-/}" ]; do under=$nearest; nearest=${nearest%/*}; done
    printf 'absent %s\n' "${nearest:-/}"
    if [ -L "$under" ]; then printf 'blocked %s is a link to what is not there\n' "$under"
    elif [ -e "$under" ]; then printf 'blocked %s is not a folder\n' "$under"
    fi
  fi
}

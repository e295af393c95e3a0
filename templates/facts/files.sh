fact daemon_folder
if [ ! -d "$daemon_folder" ]; then echo absent
elif ls -A "$daemon_folder" | grep -qvx "$daemon_name"; then echo shared
else echo alone; fi
fact links
for path in "$daemon_json" "$runtime_config"; do
  [ ! -L "$path" ] || printf '%s %s\n' "$path" "$(readlink "$path")"
done
real() { if [ -L "$1" ]; then readlink -f -- "$1"; else printf '%s\n' "$1"; fi; }
fact fixed
for path in "$daemon_json" "$runtime_config"; do
  real=$(real "$path")
  folder=${real%/*}
  until [ -d "${folder:-/}" ]; do folder=${folder%/*}; done
  if [ -L "$path" ] && [ ! -e "$path" ]; then why='it is a link to what is not there'
  elif [ -e "$path" ] && [ ! -f "$path" ]; then why='it is not a file'
  elif [ -e "$path" ] && [ -n "$(mounted "$path")" ]; then why='it is a mount of its own'
  elif [ -e "$path" ] && [ ! -w "$path" ]; then why='it is read-only or immutable (lsattr)'
  elif [ ! -w "${folder:-/}" ]; then why="${folder:-/} is read-only or immutable (lsattr)"
  else continue; fi
  printf '%s %s\n' "$path" "$why"
done
file daemon_json "$daemon_json"
file runtime_config "$runtime_config"
daemon=$(real "$daemon_json")
runtime=$(real "$runtime_config")
# Nothing where a link leads to no folder: a bare pattern would mean the folder that we are in.
fact staged
for copy in "${daemon:-$daemon_json}".sparkctl.* "${runtime:-$runtime_config}".sparkctl.* \
            "$state"/journal/*.json.sparkctl.*; do
  [ ! -e "$copy" ] || printf '%s\n' "$copy"
done

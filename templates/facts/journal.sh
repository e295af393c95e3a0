for record in "$state"/journal/*.json; do
  [ -f "$record" ] || continue
  fact "journal.${record##*/}"; head -c "$most_bytes" "$record"
  # A folder of an earlier cluster file has to be seen too, or it could not be given back.
  sed -n 's/^ *"path": "\(.*\)",*$/\1/p' "$record" | while IFS= read -r path; do folder "$path" ''; done
done

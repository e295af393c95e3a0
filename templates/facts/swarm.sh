fact swarm_on_disk; cat "${root:-/var/lib/docker}/swarm/docker-state.json" 2>/dev/null
case $info in *'"ControlAvailable":true'*) ids=$(docker node ls -q 2>/dev/null) ;; *) ids= ;; esac
if [ -n "$ids" ]; then
  fact swarm_nodes; docker node inspect --format '{{json .}}' $ids 2>/dev/null
  ids=$(docker service ls -q 2>/dev/null | head -n "$most_strangers")
  services=$([ -z "$ids" ] || docker service inspect --format '{{.ID}} {{.Spec.Name}} {{with index .Spec.Labels "com.docker.stack.namespace"}}{{.}}{{else}}-{{end}} {{with index .Spec.Labels "'"$run_label"'"}}{{.}}{{else}}-{{end}}' $ids 2>/dev/null)
  fact services; printf '%s\n' "$services" | cut -d' ' -f2-
  ids=$(printf '%s\n' "$services" | sed -nE '/ -$/!s/^([a-z0-9]{25}) .*/\1/p')
  fact busy
  { [ -z "$ids" ] || docker service ps --format '{{.CurrentState}} {{.Node}}' $ids 2>/dev/null; } |
    sed -nE 's/^(New|Pending|Assigned|Accepted|Preparing|Ready|Starting|Running) .* ([^ ]+)$/\2/p'
  fact things
  for kind in secret config; do
    docker $kind ls --format "$kind {{.Name}} {{or (.Label \"$run_label\") \"-\"}}" 2>/dev/null | head -n "$most_strangers"
  done
  printf '%s\n' "$networks" | sed -nE '/^swarm ingress /d; s/^swarm ([^ ]+) "([^" ]+)"$/network \1 \2/p; t
    s/^swarm ([^ ]+) .*/network \1 -/p' | head -n "$most_strangers"
fi

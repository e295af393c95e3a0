fact swarm_on_disk; cat "${root:-/var/lib/docker}/swarm/docker-state.json" 2>/dev/null

# A start of Docker's client takes longer than all that is not Docker's: what `docker info` has told
# (its own version; that there is nothing) is not asked again, and one client carries all questions.
# A label comes as JSON, so that what is in it stays in its line.
cli=$(printf '%s\n' "$info" | sed -n '/"ClientInfo":{/{
  s/.*"ClientInfo":{//; s/"Plugins":.*//; s/.*"Version":"\([^"]*\)".*/Docker version \1/p
  }')
[ -n "$cli" ] || cli=$(docker --version 2>/dev/null)
fact docker_cli; printf '%s' "$cli"
case $info in
  *'"Containers":0,'*) all= ;;
  *) all=$(docker ps -a --format '{{.ID}} {{.State}} {{.Names}} {{json (.Label "'"$run_label"'")}}' 2>/dev/null) ;;
esac
running=$(printf '%s\n' "$all" | sed -nE 's/^([0-9a-f]+) (running|paused|restarting) ([^ ]+) .*/\1 \3/p')
fact containers; printf '%s\n' "$running" | cut -d' ' -f2
fact run_containers; printf '%s\n' "$all" | sed -nE '/ ""$/!s/^[^ ]+ [^ ]+ ([^ ]+) .*/\1/p'
ids=$(printf '%s\n' "$running" | cut -d' ' -f1 | head -n "$most_strangers")
fact running
[ -z "$ids" ] || docker inspect --format '{{.Name}} {{or .HostConfig.RestartPolicy.Name "no"}} {{.HostConfig.AutoRemove}} {{.Config.Image}} {{with index .Config.Labels "com.docker.swarm.service.name"}}{{.}}{{else}}-{{end}} {{with index .Config.Labels "'"$run_label"'"}}{{.}}{{else}}-{{end}}' $ids 2>/dev/null
# The engine gives up a question when its connection ends. So the questions come through a pipe of
# which this side is held open as well; the engine closes after the last one.
fact docker_answers
: | {
  exec 3<>/proc/self/fd/0
  printf '%b' "$questions" >&3
  timeout 40 docker system dial-stdio <&3 2>/dev/null | head -c "$most_bytes"
}

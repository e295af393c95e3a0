#!/bin/sh
# The whole product on this computer: two simulated Sparks become one swarm, train, and are
# restored. Prints every command as a person would type it, with the time it took.
set -eu

lab=demo
folder=${DEMO_FOLDER:-.demo}
mkdir -p "$folder"
cd "$folder"

started=$(date +%s)
finish() {
    code=$?
    trap - EXIT
    sparkctl lab down --name "$lab" >/dev/null 2>&1 || :
    [ "$code" = 0 ] || printf '\ndemo FAILED (exit code %s)\n' "$code"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

type_it() {
    printf '\n$ %s\n' "$*"
    began=$(date +%s)
    "$@"
    printf '  [%s s]\n' "$(($(date +%s) - began))"
}

# The state of a machine, read without sparkctl: must be equal before and after.
snapshot() {
    for node in spark-a spark-b; do
        docker exec "sparkctl-lab-$lab-$node" sh -c '
            for file in /etc/docker/daemon.json /etc/nvidia-container-runtime/config.toml; do
                stat -c "%n %a %U:%G" "$file" 2>&1; sha256sum "$file" 2>&1
            done
            getent group docker; ls -A /home/nvidia /var/lib/sparkctl 2>&1
            docker info --format "{{.Swarm.LocalNodeState}} {{.DefaultRuntime}}"
            docker network ls --format "{{.Name}}" | sort; docker ps -aq; docker images -q | sort'
    done
}

sparkctl lab down --name "$lab" >/dev/null 2>&1 || : # left by a demo that was killed
type_it sparkctl lab up --name "$lab"
sparkctl cluster plan >/dev/null # the first use of sudo writes a file into the home folder
snapshot >before.txt

type_it sparkctl cluster plan
type_it sparkctl cluster up --yes
type_it sparkctl cluster up --yes
type_it docker exec "sparkctl-lab-$lab-spark-a" docker node ls
type_it sparkctl train tiny-llama-lora
type_it sparkctl cluster status
type_it sparkctl cluster down --yes --delete-runs

snapshot >after.txt
type_it diff before.txt after.txt
echo '  both machines are as they were before `cluster up`'
type_it sparkctl lab down --name "$lab"
printf '\ndemo succeeded in %s s\n' "$(($(date +%s) - started))"

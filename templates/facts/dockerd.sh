fact dockerd_flags
tr '\0' '\n' <"/proc/$(systemctl show -p MainPID --value docker.service 2>/dev/null)/cmdline" 2>/dev/null |
  sed 1d
fact docker_from
if systemctl is-active --quiet snap.docker.dockerd.service 2>/dev/null; then echo 'the snap docker'
else case $cli in *[Pp]odman*) echo podman-docker ;; esac
fi
case $info in
  *'"ServerVersion":"'[0-9]*) ;;
  *) fact docker_log; journalctl -u docker.service -n 8 --no-pager -o cat 2>/dev/null ;;
esac
root=$(sed -n 's/.*"data-root"[^"]*"\([^"]*\)".*/\1/p' "$daemon_json" 2>/dev/null)
fact docker_root; printf '%s' "${root:-/var/lib/docker}"

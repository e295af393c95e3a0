"""Names that sparkctl leaves on machines; whoever sees one knows where it comes from."""

LABEL_CLUSTER = "sparkctl.cluster"
LABEL_NODE = "sparkctl.node"
LABEL_RUN = "sparkctl.run"
LABEL_STACK = "sparkctl.stack"
LABEL_RANK = "sparkctl.rank"
LABEL_IMAGE = "sparkctl.image"

DAEMON_JSON = "/etc/docker/daemon.json"
RUNTIME_CONFIG = "/etc/nvidia-container-runtime/config.toml"
LOCK_FOLDER = "/run/sparkctl"
"""Gone after a reboot, as its holder is; and there when the disk is full."""

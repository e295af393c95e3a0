#!/bin/sh
# Start one rank of a training: accelerate says which, training.train does the work, in one process.
#   SPARKCTL_ACCELERATE_CONFIG  accelerate's YAML for this rank
#   SPARKCTL_TRAINING_CONFIG    the `training:` section of the recipe, YAML or JSON
# The other SPARKCTL_* variables are read by training/contract/environment.py.
set -eu

# The container runs as an ordinary user, who may have neither a name nor a home in this image:
# torch and others ask for both.
export USER="${USER:-sparkctl}" LOGNAME="${LOGNAME:-sparkctl}"
if [ ! -w "${HOME:-/}" ]; then
    export HOME="$SPARKCTL_CACHE_DIR/home"
    mkdir -p "$HOME"
fi
export HF_HOME="${HF_HOME:-$SPARKCTL_CACHE_DIR/huggingface}"
export HF_HUB_DISABLE_PROGRESS_BARS=1 HF_HUB_DISABLE_TELEMETRY=1
export TOKENIZERS_PARALLELISM=false PYTHONUNBUFFERED=1

exec python3 -m training.ranks.launch --config_file "$SPARKCTL_ACCELERATE_CONFIG" \
    -m training.train "$SPARKCTL_TRAINING_CONFIG"

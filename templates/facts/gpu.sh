fact nvidia_runtime; command -v nvidia-container-runtime 2>/dev/null
fact nvidia_toolkit; nvidia-ctk --version 2>/dev/null | head -n 1

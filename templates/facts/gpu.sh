command -v nvidia-container-runtime 2>/dev/null | fact nvidia_runtime
nvidia-ctk --version 2>/dev/null | head -n 1 | fact nvidia_toolkit

gpus() { nvidia-smi --query-gpu="uuid,name,driver_version$1" --format=csv,noheader,nounits 2>/dev/null; }
if rows=$(gpus ,utilization.gpu,power.draw,temperature.gpu,memory.used); then printf '%s\n' "$rows"; else gpus ''; fi | fact gpus
command -v nvidia-container-runtime 2>/dev/null | fact nvidia_runtime
nvidia-ctk --version 2>/dev/null | head -n 1 | fact nvidia_toolkit

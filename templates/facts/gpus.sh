gpus() { nvidia-smi --query-gpu="uuid,name,driver_version$1" --format=csv,noheader,nounits 2>/dev/null; }
fact gpus
if rows=$(gpus ,utilization.gpu,power.draw,temperature.gpu,memory.used); then printf '%s\n' "$rows"; else gpus ''; fi

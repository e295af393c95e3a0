cat /proc/meminfo | fact meminfo
nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null | fact gpu_memory

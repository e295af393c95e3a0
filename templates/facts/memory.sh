fact meminfo; cat /proc/meminfo
fact gpu_memory; nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null

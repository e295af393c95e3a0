cat /etc/machine-id 2>/dev/null | fact machine_id
cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | cut -d' ' -f1,2 | fact host_keys

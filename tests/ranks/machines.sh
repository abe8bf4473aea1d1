#!/bin/bash
# Two machines on one: network namespaces m1 and m2 with names and addresses of their own, 10.9.0.1 and 10.9.0.2, joined by a bridge.
#
#   unshare --net --mount tests/ranks/machines.sh FOLDER COMMAND...
#
# In the command's environment mpirun starts what it starts on a machine by an agent in FOLDER, as it would by ssh. The cable of m2
# is cut by: ip link set v2 down. With the command's end all of it is gone.
set -eu
folder=$1
shift
mount --make-rprivate /
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip link set lo up
ip link add br0 type bridge
ip addr add 10.9.0.254/24 dev br0
ip link set br0 up
for i in 1 2; do
    ip netns add m$i
    ip link add v$i type veth peer name eth0 netns m$i
    ip link set v$i master br0 up
    ip -n m$i addr add 10.9.0.$i/24 dev eth0
    ip -n m$i link set eth0 up
    ip -n m$i link set lo up
done
cat > "$folder/agent" << 'AGENT'
#!/bin/sh
# agent HOST COMMAND...: as ssh would
machine=m${1##*.}
shift
exec ip netns exec "$machine" unshare --uts sh -c "hostname $machine; $*"
AGENT
chmod +x "$folder/agent"
export OMPI_MCA_plm_rsh_agent=$folder/agent OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=10.9.0.0/24 OMPI_MCA_oob_tcp_if_include=10.9.0.0/24
exec "$@"

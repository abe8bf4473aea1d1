# shellcheck shell=bash
# A Slurm of two nodes on loopback, of the test's own: key, sockets, ports and folders of a munged, a slurmctld and two slurmds. No
# systemd, no cgroups. Load after common; slurm_start in setup, slurm_stop in teardown.

# Three ports that nobody listens on. All are held at once, so that they differ.
slurm_ports() {
    python3 -c 'import socket; held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]; print(*(s.getsockname()[1] for s in held))'
}

# slurm_start FOLDER: in it, and SLURM_CONF to it; skips the test, loudly, where there is no Slurm.
slurm_start() {
    local program controller first second host node
    PATH=$PATH:/usr/sbin
    for program in munged slurmctld slurmd srun sbatch; do
        command -v "$program" > /dev/null || skip "no $program here (slurm-wlm, munge)"
    done
    [ "$(id -u)" = 0 ] || skip 'slurmd starts jobs as root alone'
    slurm=$1 host=$(uname -n)
    read -r controller first second < <(slurm_ports)
    mkdir -p "$slurm"/{state,log,n1,n2,spool.n1,spool.n2,tmp.n1,tmp.n2}
    chmod 755 "$slurm"
    head -c 1024 /dev/urandom > "$slurm/key"
    chmod 400 "$slurm/key"
    cat > "$slurm/slurm.conf" << CONF
ClusterName=vlrm
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$slurm/munge.socket
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/slurmd.%n.pid
SlurmctldPort=$controller
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/spool.%n
SlurmctldLogFile=$slurm/log/slurmctld
SlurmdLogFile=$slurm/log/slurmd.%n
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
JobRequeue=1
KillWait=10
MinJobAge=86400
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$first CPUs=4 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$second CPUs=4 State=UNKNOWN
PartitionName=p Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
    echo CgroupPlugin=cgroup/v1 > "$slurm/cgroup.conf"
    for node in n1 n2; do # each with a folder of its own for what Open MPI's start leaves
        cp "$slurm"/{slurm,cgroup}.conf "$slurm/$node"
        echo "PMIxCliTmpDirBase=$slurm/tmp.$node" > "$slurm/$node/mpi.conf"
    done
    export SLURM_CONF=$slurm/slurm.conf
    munged --force --socket="$slurm/munge.socket" --key-file="$slurm/key" --pid-file="$slurm/munged.pid" --log-file="$slurm/log/munged" \
        --seed-file="$slurm/seed" --num-threads=2 < /dev/null > /dev/null 2>&1 3>&-
    slurmctld -f "$SLURM_CONF" < /dev/null > /dev/null 2>&1 3>&-
    for node in n1 n2; do
        slurmd -f "$slurm/$node/slurm.conf" -N $node < /dev/null > /dev/null 2>&1 3>&-
    done
    eventually 60 slurm_up || { tail -n 5 "$slurm"/log/*; return 1; }
}

# Both nodes are idle.
slurm_up() {
    [ "$(sinfo -h -N -o %T 2> /dev/null | sort -u)" = idle ]
}

# slurm_state JOB: PENDING, RUNNING, COMPLETED, ..
slurm_state() {
    scontrol show job "$1" 2> /dev/null | grep -oP 'JobState=\K\w+'
}

slurm_is() {
    case " ${*:2} " in *" $(slurm_state "$1") "*) ;; *) return 1 ;; esac
}

# Ends the daemons, and what jobs are left.
slurm_stop() {
    local name pid
    [ -n "${slurm-}" ] || return 0
    scancel --full -u "$(id -un)" 2> /dev/null || echo 'no controller to end the jobs'
    for name in slurmd.n1 slurmd.n2 slurmctld munged; do
        [ -s "$slurm/$name.pid" ] || continue
        pid=$(< "$slurm/$name.pid")
        if kill "$pid" 2> /dev/null; then eventually 60 no kill -0 "$pid" > /dev/null 2>&1; fi
    done
}

"""A real SLURM cluster of two nodes on this one machine, for the tests, and jobs on it.

python tests/slurm_cluster.py COMMAND ...     # runs a command with the cluster up, and stops it

All files are in one folder, nothing of the system's own SLURM is used. As root, and where Linux allows it, each node
has a network of its own (address, host name, loopback), so that a wrong MASTER_ADDR hangs as it does on real nodes;
otherwise the nodes share the machine's. CPUs are counted, not kept apart: the nodes have two each, whatever there is.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
SEARCH = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
USER = pwd.getpwuid(os.geteuid()).pw_name

CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}({address})
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
# no cgroups (nor accounting and MPI, which are not named): they need a system's help
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
# a job of the partition "high" throws one of "main" out: its --signal first, then it goes back to the queue
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
# seconds: from SIGTERM to SIGKILL; how often `sbatch --wait` looks, and how long the daemons keep finished jobs
KillWait=8
MinJobAge={job_age}
DebugFlags=NO_CONF_HASH
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
NodeName={nodes[0]} NodeHostName={hosts[0]} NodeAddr={net}.1 Port={ports[0]} CPUs=2 RealMemory=64000 State=UNKNOWN
NodeName={nodes[1]} NodeHostName={hosts[1]} NodeAddr={net}.2 Port={ports[1]} CPUs=2 RealMemory=64000 State=UNKNOWN
"""

# A bridge $0, and for each node a network namespace with a cable to it, in the network $1.
CONNECT = """\
ip link add $0 up type bridge
ip address add $1.254/24 dev $0
for node in 1 2; do
    ip netns add $0-$node
    ip link add $0-c$node type veth peer name eth0 netns $0-$node
    ip link set $0-c$node master $0 up
    ip -n $0-$node address add $1.$node/24 dev eth0
    ip -n $0-$node link set lo up
    ip -n $0-$node link set eth0 up
done
"""
DISCONNECT = "ip netns del $0-1; ip netns del $0-2; ip link del $0"

# A command inside a node, with the host name $0 and the hosts and name servers in the folder $1.
ENTER = """\
hostname "$0"
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/resolv.conf" /etc/resolv.conf
shift
exec "$@"
"""


def missing():
    """Why no cluster can be started here, or None."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=SEARCH["PATH"])]
    return f"SLURM is not installed: {', '.join(absent)} not found" if absent else None


class Cluster:
    """Two running nodes: `nodes`, their names; `environment`, in which sbatch and the others find this cluster."""

    def __init__(self, folder):
        self.folder = folder
        number = os.getpid() % 250  # part of addresses and of names in the system: two clusters can run at once
        self.bridge = f"st{number}"
        self.separate = _can_separate()
        self.nodes = ["n1", "n2"] if self.separate else ["127.0.1.1", "127.0.1.2"]  # names that resolve
        self.net = f"10.88.{number}" if self.separate else "127.0.1"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        self.environment = {**clean, **SEARCH, "SLURM_CONF": str(folder / "client/slurm.conf")}

    def start(self):
        """Start everything and wait until both nodes are idle. Raises RuntimeError, with the logs, if they do not."""
        self._configure()
        files = ("socket", "key-file", "log-file", "pid-file", "seed-file")
        self.run("munged", "--force", *(f"--{file}={self.folder}/munge.{file.split('-')[0]}" for file in files))
        if self.separate:
            self.run("sh", "-ec", CONNECT, self.bridge, self.net)
        self._daemon("slurmctld", "-c", "-f", self.folder / "daemons/slurm.conf")
        for number, node in enumerate(self.nodes, 1):
            enter = ["nsenter", f"--net=/run/netns/{self.bridge}-{number}", "unshare", "--uts", "--mount"]
            enter = [*enter, "sh", "-ec", ENTER, node, self.folder] if self.separate else []
            self._daemon(*enter, "slurmd", "-N", node, "-f", self.folder / "daemons/slurm.conf")
        for _ in range(150):
            states = self.run("sinfo", "-h", "-p", "main", "-o", "%D %t", check=False)
            if states.split() == ["2", "idle"]:
                return
            time.sleep(0.2)
        logs = "".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
        raise RuntimeError(f"the nodes did not become idle: {states}\n{logs}")

    def stop(self):
        """End every job, then the daemons, then the networks; what is not there any more is passed over."""
        self.run("scancel", "--full", "--signal=KILL", "--user", USER, check=False)
        self.run("scancel", "--user", USER, check=False)
        deadline = time.monotonic() + 10
        while self.run("squeue", "-h", check=False) and time.monotonic() < deadline:
            time.sleep(0.2)
        for name in (*(f"slurmd-{node}" for node in self.nodes), "slurmctld", "munge"):
            with suppress(FileNotFoundError, ProcessLookupError, ValueError):
                os.kill(int((self.folder / f"{name}.pid").read_text()), signal.SIGKILL)
        if self.separate:
            self.run("sh", "-c", DISCONNECT, self.bridge, check=False)

    def run(self, *command, check=True, **options):
        """A command's output, stripped, with this cluster as its own; raises CalledProcessError if it fails."""
        options = {"env": self.environment, "capture_output": True, "text": True, "timeout": 300, **options}
        return subprocess.run(list(map(str, command)), check=check, **options).stdout.strip()

    def _configure(self):
        """Write all files that the programs read, and make the folders that they write."""
        host = socket.gethostname()
        facts = {"host": host, "user": USER, "folder": self.folder, "nodes": self.nodes, "net": self.net}
        facts["hosts"] = self.nodes if self.separate else [host, host]
        facts["address"] = f"{self.net}.254" if self.separate else "127.0.0.1"
        facts["port"], *facts["ports"] = _free_port(), _free_port(), _free_port()
        for name in ("client", "daemons", "state", *(f"spool-{node}" for node in self.nodes)):
            (self.folder / name).mkdir()
        for who, job_age in (("client", 4), ("daemons", 3600)):
            (self.folder / who / "slurm.conf").write_text(CONFIGURATION.format(job_age=job_age, **facts))
            # slurmd loads a cgroup plugin though nothing uses it; this one does not mind that there are none.
            (self.folder / who / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        hosts = f"127.0.0.1 localhost\n{self.net}.254 {host}\n{self.net}.1 n1\n{self.net}.2 n2\n"
        (self.folder / "hosts").write_text(hosts)
        (self.folder / "resolv.conf").write_text("options timeout:1 attempts:1\n")  # no name server: no waiting for one
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)

    def _daemon(self, *command):
        """Start what goes to the background by itself; its output would keep the caller's pipes open."""
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        environment = {**SEARCH, "HOME": "/"}  # what a daemon has, its jobs have too
        subprocess.run(list(map(str, command)), check=True, env=environment, cwd=self.folder, **quiet)


@contextmanager
def running_cluster():
    """A Cluster that is up in the `with` block and gone after it, also after Ctrl-C and SIGTERM."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)  # munged wants it
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def _can_separate():
    """Whether this process may make network, host name and mount namespaces."""
    trial = ["sh", "-c", "ip -V && nsenter --version && unshare --net --uts --mount true"]
    return subprocess.run(trial, env={**os.environ, **SEARCH}, capture_output=True).returncode == 0


def _free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=90):
    """Wait until condition() is true, and return what it gave."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return value


class Job:
    """A submitted script: `sbatch OPTIONS SCRIPT FLAGS`, its log in `folder`; `environment` adds to the cluster's."""

    def __init__(self, cluster, folder, options, script, flags, **environment):
        self.cluster = cluster
        self.log_file = folder / "log"
        command = ["sbatch", "--parsable", f"--output={self.log_file}", *options, script, *flags]
        self.number = cluster.run(*command, cwd=ROOT, env={**cluster.environment, **environment})

    @property
    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def fact(self, name, task=None):
        """What `scontrol show job` says of it, or of this task of the array."""
        number = self.number if task is None else f"{self.number}_{task}"
        return re.search(rf"\b{name}=(\S*)", self.cluster.run("scontrol", "--oneliner", "show", "job", number))[1]

    def ended(self, task=None):
        """Wait for the end; returns SLURM's name for it."""
        final = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        return wait_until(lambda: (state := self.fact("JobState", task)) in final and state)

    def leave_the_queue(self):
        """Wait until nothing of it, nor of its array, waits or runs."""
        wait_until(lambda: self.number not in self.cluster.run("squeue", "-h", "-o", "%A %F").split())


if __name__ == "__main__":
    if reason := missing():
        sys.exit(reason)
    with running_cluster() as cluster:
        sys.exit(subprocess.run(sys.argv[1:] or ["bash"], env=cluster.environment).returncode)

"""A real SLURM cluster of two nodes on this one machine, for the tests: munged, slurmctld and two slurmd.

python tests/slurm_cluster.py COMMAND ...     # runs a command with the cluster up, and stops it

All files are in one folder, nothing of the system's own SLURM is used. As root, and where Linux allows it, each node
has a network of its own (address, host name, loopback), so that a wrong MASTER_ADDR hangs as it does on real nodes;
otherwise the nodes share the machine's. CPUs are counted, not kept apart: the nodes have two each, whatever there is.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
SEARCH = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
CPUS = 2  # of each node
KILL_WAIT = 8  # seconds between SIGTERM and SIGKILL

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
MailProg=/bin/true
# no cgroups, no accounting, no MPI: they need a system's help
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
# a job of the partition "high" throws one of "main" out: its --signal first, then it goes back to the queue
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
KillWait={kill_wait}
# `sbatch --wait` looks as often as this says, and the daemons keep finished jobs for as long
MinJobAge={job_age}
DebugFlags=NO_CONF_HASH
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


def missing():
    """Why no cluster can be started here, or None."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=SEARCH["PATH"])]
    return f"SLURM is not installed: {', '.join(absent)} not found" if absent else None


class Cluster:
    """Two running nodes.

    Attributes: `nodes` (their names), `separate` (whether each has a network of its own), `environment` (in which
    sbatch and the others find this cluster).
    """

    def __init__(self, folder):
        self.folder = folder
        self.number = os.getpid() % 250  # part of addresses and of names in the system: two clusters can run at once
        self.separate = _can_separate()
        self.nodes = ["n1", "n2"] if self.separate else ["127.0.1.1", "127.0.1.2"]  # names that resolve
        self.address = f"10.88.{self.number}." if self.separate else "127.0.1."
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        self.environment = {**clean, **SEARCH, "SLURM_CONF": str(folder / "client/slurm.conf")}

    def start(self):
        """Start everything and wait until both nodes are idle. Raises RuntimeError, with the logs, if they do not."""
        self._configure()
        munge = [f"--{kind}={self.folder}/munge.{kind.split('-')[0]}" for kind in ("socket", "key-file", "log-file",
                 "pid-file", "seed-file")]  # fmt: skip
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)
        self._call("munged", "--force", *munge)
        if self.separate:
            self._connect_networks()
        self._daemon("slurmctld", "-c", "-f", self.folder / "daemons/slurm.conf")
        for number, node in enumerate(self.nodes, 1):
            slurmd = ["slurmd", "-N", node, "-f", self.folder / "daemons/slurm.conf"]
            self._daemon(*(self._inside(number) if self.separate else []), *slurmd)
        for _ in range(150):
            states = self.run("sinfo", "-h", "-p", "main", "-o", "%D %t", check=False)
            if states.split() == ["2", "idle"]:
                return
            time.sleep(0.2)
        logs = "".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
        raise RuntimeError(f"the nodes did not become idle: {states}\n{logs}")

    def stop(self):
        """End every job, then the daemons, then the networks; what is not there any more is passed over."""
        self.run("scancel", "--full", "--signal=KILL", "--user", _user(), check=False)
        self.run("scancel", "--user", _user(), check=False)
        for _ in range(50):
            if not self.run("squeue", "-h", check=False):
                break
            time.sleep(0.2)
        for name in (*(f"slurmd-{node}" for node in self.nodes), "slurmctld", "munge"):
            _end(self.folder / f"{name}.pid")
        if self.separate:
            for number in (1, 2):
                self._call("ip", "netns", "del", self._name(number), check=False)
            self._call("ip", "link", "del", self._name("bridge"), check=False)

    def run(self, *command, check=True, **options):
        """A command's output, stripped, with this cluster as its own; raises CalledProcessError if it fails."""
        options = {"env": self.environment, "capture_output": True, "text": True, "timeout": 300, **options}
        return subprocess.run(list(map(str, command)), check=check, **options).stdout.strip()

    def _configure(self):
        lines = CONFIGURATION
        for number, node in enumerate(self.nodes, 1):
            host = node if self.separate else socket.gethostname()
            address = f"NodeHostName={host} NodeAddr={self.address}{number} Port={_free_port()}"
            lines += f"NodeName={node} {address} CPUs={CPUS} RealMemory=64000 State=UNKNOWN\n"
            (self.folder / f"spool-{node}").mkdir()
        facts = {
            "host": socket.gethostname(),
            "address": f"{self.address}254" if self.separate else "127.0.0.1",
            "port": _free_port(),
            "user": _user(),
            "folder": self.folder,
            "kill_wait": KILL_WAIT,
        }
        (self.folder / "state").mkdir()
        for who, job_age in (("client", 4), ("daemons", 3600)):
            (self.folder / who).mkdir()
            (self.folder / who / "slurm.conf").write_text(lines.format(job_age=job_age, **facts))
            # slurmd loads a cgroup plugin though nothing uses it; this one does not mind that there are none.
            (self.folder / who / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")

    def _connect_networks(self):
        """A bridge, and for each node a network namespace with a cable to it."""
        bridge = self._name("bridge")
        self._call("ip", "link", "add", bridge, "type", "bridge")
        self._call("ip", "address", "add", f"{self.address}254/24", "dev", bridge)
        self._call("ip", "link", "set", bridge, "up")
        hosts = ["127.0.0.1 localhost", f"{self.address}254 {socket.gethostname()}"]
        for number, node in enumerate(self.nodes, 1):
            inside, cable = self._name(number), self._name(f"c{number}")
            self._call("ip", "netns", "add", inside)
            self._call("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", inside)
            self._call("ip", "link", "set", cable, "master", bridge, "up")
            self._call("ip", "-n", inside, "address", "add", f"{self.address}{number}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                self._call("ip", "-n", inside, "link", "set", device, "up")
            hosts.append(f"{self.address}{number} {node}")
        (self.folder / "hosts").write_text("\n".join(hosts) + "\n")
        (self.folder / "resolv.conf").write_text("options timeout:1 attempts:1\n")  # no name server: no waiting for one

    def _inside(self, number):
        """The words that start a command inside a node: its network, host name, /etc/hosts and /etc/resolv.conf."""
        script = (
            'hostname "$0" && mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/resolv.conf" /etc/resolv.conf '
            '&& shift && exec "$@"'
        )
        enter = ["nsenter", f"--net=/run/netns/{self._name(number)}", "unshare", "--uts", "--mount"]
        return [*enter, "sh", "-c", script, self.nodes[number - 1], self.folder]

    def _name(self, what):
        return f"st{self.number}{what}"  # of a network interface: 15 characters at the most

    def _call(self, *command, check=True):
        subprocess.run(list(map(str, command)), check=check, env=self.environment, capture_output=not check)

    def _daemon(self, *command):
        """Start what goes to the background by itself; its output would keep the caller's pipes open."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**SEARCH, "HOME": "/"}  # what a daemon has, its jobs have too
        subprocess.run(list(map(str, command)), check=True, env=environment, cwd=self.folder, **quiet)


@contextmanager
def running_cluster():
    """A Cluster that is up in the `with` block and gone behind it, also after Ctrl-C and SIGTERM."""
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
    if os.geteuid() != 0 or not all(shutil.which(name, path=SEARCH["PATH"]) for name in ("ip", "nsenter", "unshare")):
        return False
    trial = ["unshare", "--net", "--uts", "--mount", "true"]
    return subprocess.run(trial, env={**os.environ, **SEARCH}, capture_output=True).returncode == 0


def _end(pid_file):
    """End the process whose number is in the file: kindly, after five seconds for sure."""
    try:
        pid = int(pid_file.read_text())
        for attempt in range(60):
            os.kill(pid, signal.SIGTERM if attempt < 50 else signal.SIGKILL)
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state == "Z":  # ended; where process 1 is no init, nobody says so
                return
            time.sleep(0.1)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return


def _free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def _user():
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def main():
    if reason := missing():
        sys.exit(reason)
    with running_cluster() as cluster:
        sys.exit(subprocess.run(sys.argv[1:] or ["bash"], env=cluster.environment).returncode)


if __name__ == "__main__":
    main()

"""Real clusters for the tests, started and ended here: Dask, MPI and Slurm on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
JOBS = HERE.parents[1] / "jobs"


def environment(**more: str) -> dict[str, str]:
    """What a user's shell has: the interpreter's folder first on the path; the tests' modules can be imported."""
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    modules = [str(HERE), str(HERE.parent / "helpers")]
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join(modules),
        "OMP_NUM_THREADS": "1",
        **more,
    }


def wait_until(condition: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Poll; fail with `what` when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


@dataclass
class DaskCluster:
    """A scheduler and its workers; `spec` is what --executor takes."""

    spec: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def dask_cluster(
    folder: Path, workers: int = 2, tls: dict[str, str] | None = None, *more: str
) -> Iterator[DaskCluster]:
    """Started with the commands of docs/clusters.md."""
    file = folder / "scheduler.json"
    env = environment(**(tls or {}))
    dask = [sys.executable, "-m", "dask"]
    place = ["--protocol", "tls"] if tls else []
    with (folder / "dask.log").open("wb") as log:
        scheduler = subprocess.Popen(
            [*dask, "scheduler", "--scheduler-file", str(file), "--host", "127.0.0.1", "--port", "0", *place,
             "--no-dashboard"],
            env=env, stdout=log, stderr=log,
        )  # fmt: skip
        started = [
            subprocess.Popen(
                [*dask, "worker", "--scheduler-file", str(file), "--host", "127.0.0.1", *place, "--nthreads", "1",
                 "--no-dashboard", "--local-directory", str(folder / f"worker{i}"), *more],
                env=env, stdout=log, stderr=log,
            )
            for i in range(workers)
        ]  # fmt: skip
        try:
            wait_until(file.is_file, "a Dask scheduler")
            yield DaskCluster(f"dask:{file}", scheduler, started)
        finally:
            for process in (*started, scheduler):
                process.terminate()
            for process in (*started, scheduler):
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def mpiexec_options() -> list[str]:
    """Options that let Open MPI run as root and on few cores; skips where there is no MPI."""
    if shutil.which("mpiexec") is None:
        pytest.skip("mpiexec is not installed (Debian: openmpi-bin)")
    version = subprocess.run(["mpiexec", "--version"], capture_output=True, text=True).stdout
    if "Open MPI" in version or "OpenRTE" in version:
        return ["--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]
    return []


def mpi_command(ranks: int, *command: str) -> list[str]:
    """The command of docs/clusters.md."""
    return ["mpiexec", *mpiexec_options(), "-n", str(ranks), sys.executable, "-m", "mpi4py.futures", *command]


SLURM_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
KillWait=5
SchedulerParameters=sched_interval=1,batch_sched_delay=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


@dataclass
class Slurm:
    """A Slurm of one node on this machine."""

    folder: Path
    env: dict[str, str]

    def run(self, *command: str) -> str:
        """Standard output of a Slurm command."""
        done = subprocess.run(command, env=self.env, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def submit(self, *command: str) -> str:
        """Number of the job that ``sbatch command...`` makes."""
        return self.run("sbatch", "--parsable", *command)

    def state(self, job: str) -> str:
        """State of a job, such as RUNNING or COMPLETED."""
        text = self.run("scontrol", "show", "job", "-o", job)
        return text.partition("JobState=")[2].split()[0]

    def log(self, job: str) -> str:
        """What the job has written."""
        return "\n".join(p.read_text() for p in sorted(self.folder.glob(f"fastsfes-{job}*.log")))

    def wait(self, job: str, *states: str, seconds: float = 180.0) -> None:
        """Wait until the job is in one of the states (default: COMPLETED); fail when it ends in another one."""
        wanted = states or ("COMPLETED",)
        ended = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}

        def there() -> bool:
            state = self.state(job)
            if state in ended and state not in wanted:
                pytest.fail(f"job {job} is {state}, not {wanted}: {self.log(job)}")
            return state in wanted

        wait_until(there, f"job {job} {wanted}", seconds)

    def release(self, job: str) -> None:
        """Let a requeued job begin; Slurm holds it for two minutes, so that nothing of its first part is left."""
        if self.state(job) == "PENDING":
            time.sleep(2.0)
            subprocess.run(["scontrol", "update", f"jobid={job}", "StartTime=now"], env=self.env, check=True)


@contextmanager
def slurm_cluster() -> Iterator[Slurm]:
    """Start munged, slurmctld and slurmd; skips where they are not installed or this is not root."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (Debian: slurm-wlm munge)")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons can be started by root only")
    # Sockets need short paths, and munge refuses folders that others may write.
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/var/tmp"))
    folder.chmod(0o755)
    for name in ("state", "spool", "work"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    ports = [free_port(), free_port()]
    conf = folder / "slurm.conf"
    conf.write_text(SLURM_CONF.format(folder=folder, host=socket.gethostname(), cpus=os.cpu_count(), ports=ports))
    env = environment(SLURM_CONF=str(conf))
    daemons: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        with (folder / "daemons.log").open("ab") as log:
            daemons.append(subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True))

    try:
        munge = ["--key-file", str(key), "--socket", f"{folder}/munge.socket", "--pid-file", f"{folder}/munge.pid"]
        files = ["--log-file", f"{folder}/munge.log", "--seed-file", f"{folder}/munge.seed", "--force", "--foreground"]
        start("munged", *munge, *files)
        wait_until((folder / "munge.socket").exists, "munged")
        start("slurmctld", "-D", "-f", str(conf))
        start("slurmd", "-D", "-f", str(conf))
        slurm = Slurm(folder / "work", env)

        def idle() -> bool:
            shown = subprocess.run(["sinfo", "-h", "-o", "%t"], env=env, capture_output=True, text=True).stdout.strip()
            return shown in ("idle", "mix")

        wait_until(idle, "a Slurm node")
        yield slurm
        subprocess.run(["scancel", "--signal=KILL", "--full", "--user=root"], env=env, capture_output=True)
        time.sleep(1.0)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in reversed(daemons):
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])

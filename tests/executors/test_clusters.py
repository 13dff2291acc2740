"""Real clusters give what this process gives, bit for bit: Dask, MPI, and batch jobs on Slurm."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import runs
from builds import QUICK, numbers
from clusters import JOBS, DaskCluster, Slurm, dask_cluster, environment, mpi_command, mpiexec_options, wait_until
from scale_tasks import add, add_slowly, fail, kill_always, kill_first, make

from fastsfes import FastsfesError
from fastsfes.cli import main
from fastsfes.executors import WorkerLost, open_executor

pytest.importorskip("distributed", reason='distributed is not installed (pip install "fastsfes[dask]")')


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What the search on the packaged molecules finds in this process."""
    path = tmp_path_factory.mktemp("quick") / "run"
    assert main(["search", "--output", str(path), *runs.QUICK]) == 0
    return runs.contents(path)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


def test_dask_gives_the_same_search(dask: DaskCluster, quick: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert main(["search", "--output", str(path), *runs.QUICK, "--executor", dask.spec, "--workers", "2"]) == 0
    assert runs.contents(path) == quick


def test_dask_workers_get_data_once_and_may_die(dask: DaskCluster, tmp_path: Path) -> None:
    with open_executor(dask.spec, 2, make, (str(tmp_path), 100)) as pool:
        futures = [pool.submit(add_slowly, i) for i in range(12)]
        assert [f.result() for f in futures] == [100 + i for i in range(12)]
        assert len(list(tmp_path.glob("context-*"))) == pool.workers == 2
        with pytest.raises(ValueError, match="a task that fails"):
            pool.submit(fail).result()
        futures = [pool.submit(kill_first if i == 3 else add, i) for i in range(8)]
        assert [f.result() for f in futures] == [100 + i for i in range(8)]
        assert pool.statistics.tasks == 21


@pytest.mark.slow
def test_dask_poison_is_given_up_and_stalled_workers_are_replaced(tmp_path: Path) -> None:
    with dask_cluster(tmp_path) as cluster:
        with open_executor(cluster.spec, 2, make, (str(tmp_path), 0)) as pool:
            with pytest.raises(
                WorkerLost, match=r"kill_always could not be done.*every Dask worker that tried it died"
            ):
                pool.submit(kill_always).result(timeout=180)
            assert pool.submit(add, 1).result(timeout=60) == 1
        with open_executor(cluster.spec, 2, make, (str(tmp_path), 10), timeout=5.0) as pool:
            futures = [pool.submit(kill_first, 0, signal.SIGSTOP), *(pool.submit(add, i) for i in range(1, 10))]
            assert [f.result(timeout=120) for f in futures] == [10 + i for i in range(10)]
            assert pool.statistics.lost == 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask's own configuration says how long to try to connect."""
    import dask

    monkeypatch.setitem(dask.config.config["distributed"]["comm"]["timeouts"], "connect", "2s")


def test_dask_without_a_worker_left_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fastsfes.executors.dask_cluster.PATIENCE", 0.2)
    with dask_cluster(tmp_path, 1) as cluster, open_executor(cluster.spec, 1, make, (str(tmp_path), 0)) as pool:
        assert pool.submit(add, 1).result(timeout=60) == 1
        assert pool.silent == 0.0
        cluster.workers[0].terminate()
        wait_until(lambda: "has no worker any more; waiting for one" in caplog.text, "what an executor says")
        assert pool.silent > 0.2


@pytest.mark.usefixtures("impatient")
def test_a_lost_scheduler_is_a_clear_error(tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 1) as cluster, open_executor(cluster.spec, 1, make, (str(tmp_path), 0)) as pool:
        assert pool.submit(add, 1).result(timeout=60) == 1
        cluster.scheduler.kill()
        with pytest.raises(FastsfesError, match=r"the Dask scheduler at .* was lost"):
            pool.submit(add, 2).result(timeout=120)


@pytest.mark.usefixtures("impatient")
def test_no_scheduler_is_a_clear_error() -> None:
    with pytest.raises(FastsfesError, match=r"the Dask scheduler at tcp://127\.0\.0\.1:9 cannot be reached"):
        open_executor("dask:tcp://127.0.0.1:9")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file"), ('{"type": "Sched', "not valid JSON"), ("[]", "no address")]
)
def test_no_scheduler_in_a_file_is_a_clear_error(content: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(
        FastsfesError, match=rf"the Dask scheduler at .*cluster.json cannot be reached \(.*{message}.*for 2 s"
    ):
        open_executor(f"dask:{file}")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A certificate that signs itself, as Dask's configuration in environment variables."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    variables = {f"{tls}CA_FILE": str(cert), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        variables |= {f"{tls}{role}__CERT": str(cert), f"{tls}{role}__KEY": str(key)}
    return variables


def test_dask_with_tls(certificates: dict[str, str], tmp_path: Path) -> None:
    """The coordinator takes certificates from the same configuration, and is refused without them."""
    with dask_cluster(tmp_path, 1, certificates) as cluster:

        def command(name: str) -> list[str]:
            return [sys.executable, "-m", "runs", str(tmp_path / name), "--executor", cluster.spec]

        subprocess.run(command("run"), env=environment(**certificates), check=True)
        assert "tls://" in (tmp_path / "scheduler.json").read_text()
        bare = environment(DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="3s")
        refused = subprocess.run(command("other"), env=bare, capture_output=True, text=True)
        assert "the Dask scheduler" in refused.stderr
        assert "cannot be reached" in refused.stderr


@pytest.mark.parametrize("ranks", [2, 3])
def test_mpi_gives_the_same_search(ranks: int, quick: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    command = mpi_command(ranks, "-m", "fastsfes", "search", "--output", str(path), *runs.QUICK, "--executor", "mpi")
    subprocess.run(command, env=environment(), check=True, timeout=120)
    assert runs.contents(path) == quick


def test_mpi_without_workers_says_how_to_start(tmp_path: Path) -> None:
    mpiexec_options()  # skips where there is no MPI library for mpi4py
    command = [sys.executable, "-m", "fastsfes", "search", "--output", str(tmp_path / "run"), *runs.QUICK]
    done = subprocess.run([*command, "--executor", "mpi"], env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert "mpiexec -n N python -m mpi4py.futures -m fastsfes" in done.stderr
    assert not list(tmp_path.iterdir())


def test_mpi_stops_at_once_and_goes_on(tmp_path: Path) -> None:
    """SIGUSR1 to mpiexec, as Slurm sends it; then the same command again."""
    whole, path = tmp_path / "whole", tmp_path / "run"
    subprocess.run([sys.executable, "-m", "runs", str(whole)], env=environment(), check=True)
    command = mpi_command(3, "-m", "runs", str(path), "--executor", "mpi")
    with subprocess.Popen(command, env=environment(FASTSFES_TEST_DELAY="0.2")) as job:
        wait_until(lambda: rounds(path) >= 2, "two rounds")
        job.send_signal(signal.SIGUSR1)
        assert job.wait(60) == 75
    assert 2 <= rounds(path) < rounds(whole)
    subprocess.run(command, env=environment(), check=True, timeout=120)
    assert runs.contents(path) == runs.contents(whole)


def test_mpi_ranks_that_stall_are_given_up(tmp_path: Path) -> None:
    """Their tasks are done by others, and the job ends although they never would."""
    command = mpi_command(3, "-m", "mpi_stall", str(tmp_path))
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[0] == f"{list(range(10, 20))} 1 10"
    assert "an MPI rank gave no answer for 3 s; its task is run again" in done.stderr


def test_late_errors_of_mpi_ranks_that_were_given_up_do_not_count() -> None:
    mpiexec_options()
    done = subprocess.run([sys.executable, "-m", "mpi_late"], env=environment(), capture_output=True, text=True)
    assert done.stdout == "good\n", done.stderr


def rounds(path: Path) -> int:
    """Number of complete rounds in a run directory."""
    if not (path / "history.sqlite").is_file():
        return 0
    return max((row[1] for table, rows in runs.contents(path) for row in rows if table == "states"), default=0)


def test_a_batch_job_on_one_node_is_requeued_and_ends_like_the_undisturbed_run(slurm: Slurm, tmp_path: Path) -> None:
    options = [*runs.QUICK, "--candidates", "3000"]  # long enough that the signal comes before its end
    assert main(["search", "--output", str(tmp_path / "run"), *options]) == 0
    command = ["search", "--output", "node", "--continue", *options, "--executor", "processes"]
    job = slurm.submit("--cpus-per-task=1", str(JOBS / "node.sh"), *command)
    wait_until(lambda: rounds(slurm.folder / "node") >= 1, "the first round")
    slurm.run("scancel", "--batch", "--signal=USR1", job)  # what --signal=B:USR1@120 does before the time is up
    slurm.wait(job, "PENDING")
    slurm.release(job)
    slurm.wait(job)
    assert "interrupted after" in slurm.log(job)
    log = (slurm.folder / "node" / "log.txt").read_text()
    assert log.index("interrupted after") < log.index("resumed at") < log.index("complete: 3000 candidates")
    assert runs.contents(slurm.folder / "node") == runs.contents(tmp_path / "run")


@pytest.mark.parametrize("script", ["dask.sh", "mpi.sh"])
def test_batch_jobs_with_many_workers(script: str, slurm: Slurm, quick: list[Any]) -> None:
    name = script.partition(".")[0]
    job = slurm.submit(
        "--nodes=1", "--ntasks-per-node=2", f"--export=ALL,MPIEXEC_OPTIONS={' '.join(mpiexec_options())}",
        str(JOBS / script), "search", "--output", name, "--continue", *runs.QUICK,
    )  # fmt: skip
    slurm.wait(job)
    assert runs.contents(slurm.folder / name) == quick
    assert "1200/1200 candidates" in slurm.log(job)


def test_an_array_of_parts_and_one_writer(
    slurm: Slurm, hydrogens: Path, built: dict[str, tuple[float, bytes]], tmp_path: Path
) -> None:
    build = ["dataset", "build", str(hydrogens), "--output", str(tmp_path / "own.h5"), *QUICK]
    parts = slurm.submit("--array=1-2", "--cpus-per-task=1", str(JOBS / "array.sh"), "2", *build)
    writer = slurm.submit(f"--dependency=afterany:{parts}", "--cpus-per-task=1", str(JOBS / "node.sh"), *build)
    slurm.wait(writer)
    assert "(0 computed, 13 found in the work folder" in slurm.log(writer)
    assert numbers(tmp_path / "own.h5") == built


@pytest.mark.slow
@pytest.mark.parametrize("script", ["dask.sh", "mpi.sh"])
def test_densities_with_many_workers(
    script: str, slurm: Slurm, hydrogens: Path, built: dict[str, tuple[float, bytes]], tmp_path: Path
) -> None:
    job = slurm.submit(
        "--nodes=1", "--ntasks-per-node=2", f"--export=ALL,MPIEXEC_OPTIONS={' '.join(mpiexec_options())}",
        str(JOBS / script), "dataset", "build", str(hydrogens), "--output", str(tmp_path / "own.h5"), *QUICK,
    )  # fmt: skip
    slurm.wait(job)
    assert "(13 computed, 0 found in the work folder" in slurm.log(job)
    assert numbers(tmp_path / "own.h5") == built

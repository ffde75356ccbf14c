"""The sbatch files, against a real Slurm of one node that the test starts (Debian: slurm-wlm, munge)."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livestyle.training.checkpoint import load_checkpoint

SLURM = Path(__file__).parents[2] / "training" / "slurm"
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

CONF = """
ClusterName=test
SlurmctldHost={host}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=60
NodeName={host} CPUs=4 RealMemory=2000 State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _until(condition: Callable[[], bool], what: str, seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"timed out waiting for {what}"
        time.sleep(0.5)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a running one-node Slurm; it is ended with the test."""
    missing = [name for name in DAEMONS if shutil.which(name, path=PATH) is None]
    if missing or getpass.getuser() != "root":
        pytest.skip(f"a Slurm of one node needs root and {', '.join(missing) or 'its daemons'}")
    folder = Path("/tmp") / f"slurm-{os.getpid()}"  # socket paths may have a hundred characters only
    for part in ("state", "spool"):
        (folder / part).mkdir(parents=True)
    host = socket.gethostname().split(".")[0]
    text = CONF.format(folder=folder, host=host, ports=_free_ports(2), user=getpass.getuser())
    (folder / "slurm.conf").write_text(text)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
    version = subprocess.run(["sbatch", "--version"], env=environment, capture_output=True, text=True)
    old = int(version.stdout.split()[1].split(".")[0]) < 23  # "disabled" came with 23.02
    (folder / "cgroup.conf").write_text(f"CgroupPlugin={'cgroup/v1' if old else 'disabled'}\n")
    files = {name: f"{folder}/munge.{name}" for name in ("key", "log", "pid", "seed", "socket")}
    options = [
        f"--{o}={files[f]}"
        for o, f in (("key-file", "key"), ("log-file", "log"), ("pid-file", "pid"), ("socket", "socket"))
    ]
    seed = [f"--seed-file={files['seed']}"]
    daemons = []
    for command in (
        ["munged", "--foreground", "--force", *options, *seed],
        ["slurmctld", "-D"],
        ["slurmd", "-D", "-N", host],
    ):
        with (folder / f"{command[0]}.out").open("w") as log:
            daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        time.sleep(1)
    try:
        yield environment
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("path", sorted(SLURM.glob("*.sbatch")), ids=lambda path: path.stem)
def test_the_files_are_correct_shell_and_can_be_requeued(path: Path) -> None:
    """Each job file parses as shell, asks Slurm for a signal before the time is up and to be put back into the queue,
    appends to its log, and starts one task for each GPU."""
    subprocess.run(["bash", "-n", str(path)], check=True)
    subprocess.run(["bash", "-n", str(SLURM / "launch.sh")], check=True)
    text = path.read_text()
    for directive in ("--requeue", "--signal=B:USR1@", "--open-mode=append", "--gres=gpu:"):
        assert f"#SBATCH {directive}" in text
    tasks = int(text.split("--ntasks-per-node=")[1].split()[0])
    assert f"--gres=gpu:{tasks}\n" in text  # one task for each GPU


def test_a_job_of_two_tasks_is_requeued_out_of_time_and_goes_on(
    cluster: dict[str, str], settings_text: Callable[..., str], tmp_path: Path
) -> None:
    """USR1 to the batch script is what --signal sends before the time limit."""
    text = settings_text(steps=80).replace("log_every = 2", "log_every = 1\ncheckpoint_minutes = 60.0")
    (tmp_path / "s.toml").write_text(
        text.replace("sizes = [64, 96]\nuntil = [0.5, 1.0]", "sizes = [64]\nuntil = [1.0]").replace(
            "batch = 2", "batch = 4"
        )
    )
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "livestyle-train"
    command.write_text(f"#!{sys.executable}\nfrom livestyle.training.cli import train\ntrain()\n")
    command.chmod(0o755)
    environment = {
        **cluster,
        "PATH": f"{tmp_path / 'bin'}:{cluster['PATH']}",
        "LIVESTYLE_SLURM": str(SLURM),
        "OMP_NUM_THREADS": "1",
    }

    def slurm(*words: str) -> str:
        done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    _until(lambda: "idle" in slurm("sinfo", "-h", "-o", "%T"), "an idle node", 60)
    here = ["--partition=test", "--gres=none", "--ntasks-per-node=2", "--cpus-per-task=1", "--mem=500"]
    job = slurm("sbatch", "--parsable", *here, str(SLURM / "one_node.sbatch"), str(tmp_path / "s.toml")).strip()
    log, table = tmp_path / f"livestyle-{job}.log", tmp_path / "run" / "log.csv"
    _until(
        lambda: table.is_file() and table.read_text().count("\n") > 3,
        f"the first steps: {log.read_text() if log.is_file() else ''}",
    )
    slurm("scancel", "--batch", "--signal=USR1", job)
    _until(lambda: "Resumed at step" in log.read_text(), "the resumed job")
    assert "back into the queue" in log.read_text()
    _until(lambda: job not in slurm("squeue", "-h", "-o", "%A"), "the end of the job")
    state = load_checkpoint(tmp_path / "run")
    assert state["progress"]["step"] == 80
    steps = [line.split(",")[0] for line in table.read_text().splitlines()[1:]]
    assert steps == [str(k) for k in range(1, 81)]  # every step once: nothing was lost or done twice

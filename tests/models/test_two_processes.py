"""Two processes on shares of a batch have the gradients that one process has on the whole batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from two_processes import CASES, STEPS, record

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes recorded, by method."""
    place = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    jobs = [
        subprocess.Popen(
            [sys.executable, HERE / "two_processes.py", place],
            env={**os.environ, **address, "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        texts = [job.communicate(timeout=600)[0] for job in jobs]
    finally:
        for job in jobs:
            job.kill()
    assert [job.returncode for job in jobs] == [0, 0], "\n".join(texts)
    return [torch.load(place / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_gradients_are_those_of_one_process(ranks, case, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    alone = record(case, tmp_path)
    for step in range(STEPS):
        for number, column in enumerate(alone["samples"][step]):
            assert [rank[case.name]["samples"][step][number] for rank in ranks] == [column[0::2], column[1::2]]
    assert {name.partition(" ")[0] for name in alone["gradients"]} == {"1", "2"}
    for rank in ranks:
        gradients = rank[case.name]["gradients"]
        assert gradients.keys() == alone["gradients"].keys()
        for network in ("network.", "discriminator."):
            whole, both = (
                torch.cat([value.flatten() for name, value in part.items() if network in name])
                for part in (alone["gradients"], gradients)
            )
            assert (both - whole).norm() < 1e-9 * whole.norm()

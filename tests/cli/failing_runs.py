"""Run by test_lone_failure: runs of two processes, forked from one that has imported everything, with faults in one."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import sys
from pathlib import Path
from types import MappingProxyType

import torch
from standins import Method, Network, Noise
from torch import nn
from torch.utils.data import dataloader

import reenact.cli.train  # noqa: F401 - before the fork
from reenact.cli import main
from reenact.errors import ReenactError

STEP = 3
"""Whole steps before a fault."""


class Normed(Method):
    """The stand-in with batch norm, whose statistics the processes don't share."""

    def __init__(self, face_model: str = "head", lr: float = 0.5) -> None:
        super().__init__(face_model, None, lr)
        self.arguments.pop("widths")
        self.network: Network
        self.network.layer.insert(1, nn.BatchNorm2d(3))

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if self.global_step == STEP:
            self.fail_in_step()
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr, momentum=0.9)

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if self.global_step == STEP:
            state = {"state_dict": self.state_dict(), "optimizer_states": [self.optimizers().state_dict()]}
            torch.save(state, f"step{STEP}_of_{self.global_rank}.pt")

    def fail_in_step(self) -> None:
        """Nothing; a fault replaces it."""


def break_reading() -> None:
    read, reads = Noise.read, []

    def missing(self, clip, frames, window=0):
        reads.append(clip)
        if len(reads) > STEP:
            raise ReenactError("clip3 is missing")
        return read(self, clip, frames, window)

    Noise.read = missing


def kill_loader() -> None:
    def kill(self) -> None:
        for process in multiprocessing.active_children():
            os.kill(process.pid, signal.SIGKILL)

    dataloader._MultiProcessingDataLoaderIter._try_get_data.__defaults__ = (0.1,)
    Normed.fail_in_step = kill


def refuse_in_step() -> None:
    def refuse(self) -> None:
        raise ReenactError("the step is refused")

    Normed.fail_in_step = refuse


def break_optimiser() -> None:
    step, steps = torch.optim.SGD.step, []

    def broken(self, closure=None):
        steps.append(closure)
        loss = step(self, closure)
        if len(steps) > STEP:
            raise ReenactError("the optimiser is broken")
        return loss

    torch.optim.SGD.step = broken


def kill_process() -> None:
    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    Normed.fail_in_step = kill


FAULTS = MappingProxyType(
    {fault.__name__: fault for fault in (break_reading, kill_loader, refuse_in_step, break_optimiser, kill_process)}
)


def run_process(rank: int, port: int, words: list[str], fault: str, errors: Path) -> int:
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with errors.open("w") as file:
        os.dup2(file.fileno(), 2)
    if fault:
        FAULTS[fault]()
    return main(words)


def run_pair(words: list[str], fault: str = "", broken: int = 1) -> dict[str, list]:
    """Run a command line in two processes; gives their exit codes and errors."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in (0, 1):
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(SystemExit):
                code = run_process(rank, port, words, fault if rank == broken else "", Path(f"errors{rank}.txt"))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return {"codes": codes, "errors": [Path(f"errors{rank}.txt").read_text() for rank in (0, 1)]}


def run_all() -> None:
    """Run the pairs that the command line of this process lists as JSON; prints what they gave."""
    results = [run_pair(*run) for run in json.loads(sys.argv[1])]
    sys.stdout.write(f"\n{json.dumps(results)}\n")

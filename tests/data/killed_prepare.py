"""Processes of test_prepare_stages: forks that prepare a folder and are killed, or two at once.

Each line of LOG is a clip and a stage whose result was kept.
"""

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

import torch

from reenact.data.layouts.folders import find_inputs
from reenact.data.prepare import engines, job
from reenact.data.prepare.work import Work
from reenact.data.store.writer import StoreWriter

save_plainly = Work.save


def prepare(raw, out, log):
    """Prepare a folder in this process, a fork of the tests' whose fixtures replace the estimators."""
    torch.set_num_threads(1)

    def save(self, stage, *rest):
        save_plainly(self, stage, *rest)
        with log.open("a") as opened:
            opened.write(f"{self.folder.name} {stage}\n")

    Work.save = save
    settings = job.Settings(face_model="head", landmarks="dlib", crop="fomm", size=32)
    task = job.Job(out=out, settings=settings, face_model="head")
    engines.PAUSE = 0.02
    engines.InlineEngine().run(find_inputs(raw), task, lambda _: None, lambda _: None)


def kill_before(instant):
    """SIGKILL before a file takes its place, the row is written, or work is removed, for the so-manieth time."""
    counter = itertools.count()

    def deadly(plain):
        def step(*arguments, **options):
            if next(counter) == instant:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*arguments, **options)

        return step

    Path.replace, StoreWriter.put, shutil.rmtree = map(deadly, (Path.replace, StoreWriter.put, shutil.rmtree))


def child(work):
    process = os.fork()
    if process:
        return process
    try:
        work()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def prepare_killed(raw, out, log):
    """Prepare a folder into a store for each instant, with a kill there and once more; the last one in peace."""
    for instant in range(50):
        paths = raw, out / str(instant), log.with_name(f"log{instant}")
        end = os.waitpid(child(lambda paths=paths, n=instant: (kill_before(n), prepare(*paths))), 0)[1]
        if end == 0:
            return
        assert end == signal.SIGKILL
        assert os.waitpid(child(lambda paths=paths: prepare(*paths)), 0)[1] == 0


def prepare_together(raw, out, log):
    """Prepare a folder in two processes at once."""
    processes = [child(lambda: prepare(raw, out, log)) for _ in range(2)]
    assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0]

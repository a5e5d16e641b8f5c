"""Run by test_prepare_stages: prepares a folder in processes that are killed, or two at once; imports once, then forks.

Each line of LOG is a clip and a stage whose result was kept.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from data.made_faces import Squares

from reenact.data.layouts.folders import find_inputs
from reenact.data.prepare import engines, job, stages
from reenact.data.prepare.work import Work
from reenact.estimators.registry import FaceFinder

torch.set_num_threads(1)


def prepare(raw, out, log):
    plain = Work.save

    def save(self, stage, *rest):
        plain(self, stage, *rest)
        with log.open("a") as opened:
            opened.write(f"{self.folder.name} {stage}\n")

    Work.save = save
    task = stages.Job(out, stages.Settings("head", "dlib", "fomm", 32), "head")
    squares = Squares()
    job.load_face_finder = lambda *_: FaceFinder(squares, squares)
    engines.PAUSE = 0.02
    engines.InlineEngine().run(find_inputs(raw), task, lambda _: None, lambda _: None)


def killed_before_the_second_rename():
    """What SIGKILL leaves: one more file in its place, and the next under its temporary name."""
    plain, renames = Path.replace, []

    def replace(self, target):
        renames.append(target)
        if len(renames) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, target)

    Path.replace = replace


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


def main(how, raw, out, log):
    paths = Path(raw), Path(out), Path(log)
    if how == "together":
        processes = [child(lambda: prepare(*paths)) for _ in range(2)]
        assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0]
        return
    killed = 0
    while os.waitpid(child(lambda: (killed_before_the_second_rename(), prepare(*paths))), 0)[1] == signal.SIGKILL:
        killed += 1
        assert killed < 50
    print(killed)


if __name__ == "__main__":
    main(*sys.argv[1:])

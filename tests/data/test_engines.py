"""Engines bring every clip into the manifest, whoever dies on the way."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections import deque
from dataclasses import replace

import pytest

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.layouts.folders import find_inputs
from reenact.data.prepare import engine_local, engines, prepare
from reenact.data.prepare.engine_local import LocalEngine, _Queue, _Task
from reenact.data.prepare.engines import Group
from reenact.data.prepare.job import Job, Settings
from reenact.data.prepare.stage import Stage
from reenact.data.prepare.stage_list import stage_names
from reenact.data.store.reader import Store
from reenact.data.store.writer import build_failed_record
from reenact.errors import ReenactError

from .faults import make_faults
from .made_faces import walk, write_clip

pytest.importorskip("dlib")


def job_in(folder, device="cpu") -> Job:
    return Job(
        out=folder / "store",
        settings=Settings(face_model="head", landmarks="dlib", crop="fomm", size=32),
        face_model="head",
        device=device,
    )


def row(name="a"):
    return build_failed_record(name, split="train", identity="a", source="a", key="", reason="made")


def stage(name, device, clips):
    functions = {"pick_device": lambda self, settings: device, "count_clips": lambda self, settings: clips}
    return type(name, (Stage,), {"name": name, **functions})()


def test_neighbours_on_one_device_are_one_call(monkeypatch, tmp_path):
    assert [group.names for group in engines.groups_of(job_in(tmp_path))] == [stage_names()]
    sequence = (stage("a", "cpu", 1), stage("b", "gpu", 8), stage("c", "gpu", 4), stage("d", "cpu", 1))
    monkeypatch.setattr(engines, "find_stages", lambda: sequence)
    assert engines.groups_of(job_in(tmp_path, "cuda")) == [
        Group(("a",), "cpu", 1),
        Group(("b", "c"), "gpu", 8),
        Group(("d",), "cpu", 1),
    ]


def queue(clips=4):
    groups = [Group(("a",), "cpu", 1), Group(("b",), "gpu", 3), Group(("c",), "cpu", 1)]
    waiting = _Queue(groups=groups, waiting=[deque() for _ in groups], left=clips)
    waiting.waiting[0].extend(range(clips))
    return waiting


def test_clips_go_from_group_to_group_and_batches_fill_up():
    work = queue()
    for clip in range(2):
        task = work.next("cpu", alone=False)
        assert task == _Task(0, [clip])
        assert work.answered(task, [None]) == []
    assert work.next("gpu", alone=False) is None
    task = work.next("cpu", alone=False)
    work.answered(task, [None])
    full = work.next("gpu", alone=False)
    assert full == _Task(1, [0, 1, 2])
    work.answered(full, [None, row(), None])
    assert work.left == 3
    assert work.next("cpu", alone=False) == _Task(2, [0])


def test_a_batch_need_not_be_full_when_nothing_else_runs():
    work = queue(2)
    work.answered(work.next("cpu", alone=False), [None])
    assert work.next("gpu", alone=True) == _Task(1, [0])


def test_a_clip_that_killed_a_worker_goes_alone():
    work = queue(3)
    for _ in range(3):
        work.answered(work.next("cpu", alone=False), [None])
    work.deaths[1] += 1
    work.waiting[1].rotate(-1)
    assert work.next("gpu", alone=True) == _Task(1, [1])
    assert work.next("gpu", alone=True) == _Task(1, [2, 0])


@pytest.fixture
def workers(monkeypatch):
    """Every worker that the local engine starts."""
    plain, workers = engine_local._start_worker, []

    def started(*arguments):
        workers.append(plain(*arguments))
        return workers[-1]

    monkeypatch.setattr(engine_local, "_start_worker", started)
    return workers


def test_a_clip_that_kills_every_worker_is_quarantined_and_the_others_go_on(tmp_path, monkeypatch, workers):
    make_faults(tmp_path / "raw", 2, share=0)
    clips = find_inputs(tmp_path / "raw")
    write_clip(tmp_path / "raw" / "deadly.mp4", walk(48))  # its search for faces takes seconds, and is killed
    clips.insert(1, ClipInput(path=tmp_path / "raw" / "deadly.mp4", name="deadly.mp4", split="train", identity="x"))
    monkeypatch.setattr(engine_local, "ATTEMPTS", 2)
    stop = threading.Event()

    def kill_whoever_has_it():
        while not stop.wait(0.1):
            for worker in workers:
                if worker.task and worker.task.clips == [1] and worker.process.is_alive():
                    worker.process.kill()

    killer = threading.Thread(target=kill_whoever_has_it)
    killer.start()
    rows = {}
    try:
        LocalEngine(1).run(clips, job_in(tmp_path), lambda r: rows.update({r.name: r}), lambda _: None)
    finally:
        stop.set()
        killer.join()
    assert "workers died on it (signal SIGKILL)" in rows.pop("deadly.mp4").reason
    assert [r.status for r in rows.values()] == ["ok"] * 2
    assert len(Store(tmp_path / "store").clips(status=None)) == 3


def test_workers_that_die_while_they_start_cost_no_clip(tmp_path, monkeypatch):
    make_faults(tmp_path / "raw", 1, share=0)
    plain, started = engine_local._start_worker, []

    def short_lived(*arguments):
        started.append(plain(*arguments))
        if len(started) <= most:
            started[-1].process.kill()
        return started[-1]

    monkeypatch.setattr(engine_local, "_start_worker", short_lived)
    monkeypatch.setattr(engine_local, "ATTEMPTS", 1)
    most, rows = engine_local.MOST_IDLE, []
    LocalEngine(1).run(find_inputs(tmp_path / "raw"), job_in(tmp_path), rows.append, lambda _: None)
    assert [row.status for row in rows] == ["ok"]
    assert len(started) == most + 1
    most = 99
    with pytest.raises(ReenactError, match=r"die before they have a clip in hand \(signal SIGKILL\)"):
        LocalEngine(1).run(find_inputs(tmp_path / "raw"), job_in(tmp_path), rows.append, lambda _: None)


def test_missing_weights_end_the_run_and_its_workers(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    make_faults(tmp_path / "raw", 1, share=0)
    job = job_in(tmp_path)
    job = replace(job, settings=replace(job.settings, landmarks="face-alignment"))
    with pytest.raises(ReenactError, match="s3fd"):
        LocalEngine(1).run(find_inputs(tmp_path / "raw"), job, lambda _: None, lambda _: None)
    assert workers
    assert not any(worker.process.is_alive() for worker in workers)


@pytest.mark.slow
def test_two_hundred_clips_of_which_sixty_are_damaged_while_workers_are_killed(tmp_path, monkeypatch):
    faults = make_faults(tmp_path / "raw", 200)
    stop = threading.Event()
    killed = []

    def kill_now_and_then():
        draw, files = random.Random(0), 0
        while not stop.wait(4):
            before, files = files, len(list((tmp_path / "store" / "clips").rglob("*")))
            # On a busy machine four seconds are less than a worker needs to start: let one get something done.
            if files != before and (children := multiprocessing.active_children()):
                killed.append(draw.choice(children).pid)
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        prepare(tmp_path / "raw", tmp_path / "store", landmarks="dlib", workers=2)
    finally:
        stop.set()
        killer.join()
    assert len(killed) > 5
    store = Store(tmp_path / "store")
    rows = {clip.name: clip for clip in store.clips(status=None)}
    assert len(rows) == 200
    for name, clip in rows.items():
        reason = faults[name].reason if name in faults else ""
        assert (clip.status == "quarantined") == bool(reason), (name, clip.reason)
        assert reason in clip.reason, (name, clip.reason)
    assert "cut at" in next(clip.reason for name, clip in rows.items() if "-cut" in name)
    usable = {name for name, clip in rows.items() if clip.status == "ok"}
    for suffix in (".mov", ".safetensors"):
        assert {path.name.removesuffix(suffix) for path in (tmp_path / "store" / "clips").rglob(f"*{suffix}")} == usable
    assert not [
        path for path in (tmp_path / "store").rglob("*") if path.name.startswith(".") or path.suffix == ".claim"
    ]
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "store" / "clips").rglob("*") if path.is_file()}
    monkeypatch.setattr(LocalEngine, "run", lambda *_: pytest.fail("a worker was started"))
    prepare(tmp_path / "raw", tmp_path / "store", landmarks="dlib", workers=2)
    assert files == {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_ray_on_two_nodes_makes_the_store_that_this_machine_makes(tmp_path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    make_faults(tmp_path / "raw", 10)
    prepare(tmp_path / "raw", tmp_path / "here", landmarks="dlib", workers=1)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    try:
        prepare(
            tmp_path / "raw", tmp_path / "there", landmarks="dlib", engine="ray", ray_address=cluster.address, workers=2
        )
    finally:
        ray.shutdown()
        cluster.shutdown()
    here, there = (
        {
            path.relative_to(root): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and "sqlite" not in path.name
        }
        for root in (tmp_path / "here", tmp_path / "there")
    )
    assert here == there
    rows = [
        [replace(clip, seconds={}) for clip in Store(tmp_path / name).clips(status=None)] for name in ("here", "there")
    ]
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_the_death_of_a_ray_node_costs_no_clip(tmp_path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    make_faults(tmp_path / "raw", 12, share=0)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    over, left = threading.Event(), []

    def kill_in_the_middle():
        while not over.wait(0.2):
            if any((tmp_path / "store" / "clips").rglob("*.mov")):
                ours = ray.get_runtime_context().get_node_id()  # the node of this process can't be taken away
                left.append(12 - len(Store(tmp_path / "store").clips()))
                cluster.remove_node(next(node for node in nodes if node.node_id != ours), allow_graceful=False)
                return

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    try:
        prepare(tmp_path / "raw", tmp_path / "store", landmarks="dlib", engine="ray", ray_address=cluster.address)
        killer.join()
        deadline = time.monotonic() + 60
        while not (dead := [node for node in ray.nodes() if not node["Alive"]]) and time.monotonic() < deadline:
            time.sleep(0.5)  # the cluster notices after some seconds
    finally:
        over.set()
        killer.join()
        ray.shutdown()
        cluster.shutdown()
    assert left[0] > 2
    assert len(dead) == 1
    assert [clip.status for clip in Store(tmp_path / "store").clips(status=None)] == ["ok"] * 12


def test_an_address_where_nobody_listens_is_refused(tmp_path):
    pytest.importorskip("ray")
    make_faults(tmp_path / "raw", 1, share=0)
    with pytest.raises(ReenactError, match=r"No Ray cluster answers at 127\.0\.0\.1:9"):
        prepare(tmp_path / "raw", tmp_path / "out", landmarks="dlib", engine="ray", ray_address="127.0.0.1:9")
    assert not (tmp_path / "out").exists()

"""Processes of test_distributed: score frames alone or as one of two, of which one has more, and write the values."""

import json
import os
from pathlib import Path

import torch
import torch.distributed as dist

from metrics.conftest import CACHES, random_probe
from metrics.made_networks import SmallI3D
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.metrics import catalogue, probe_reader, sets
from reenact.metrics.faces import CSIM
from reenact.metrics.metric_names import parse_metric
from reenact.metrics.scene import Frames
from reenact.metrics.suite import Suite, scene_of

NAMES = [
    *("l1", "psnr", "ssim", "lpips[probe]", "lpips[squeeze]", "flicker", "flicker.excess", "jitter[probe]"),
    *("jitter.excess[probe]", "csim[probe]", "akd[probe]", "aed.expression[probe].l2", "aed.identity[probe].l2sq"),
    *("apd.rotation[probe].degrees", "p_rmse.rotation[probe]", "fid[probe]", "kid[probe]", "fvd[i3d]"),
]
VIDEOS = {0: 16, 1: 20, 2: 17}
"""Video -> frames; the second process scores the last."""
BATCH = 7


def score(videos: list[int], out: Path | None) -> None:
    network = SmallI3D().eval().requires_grad_(False)
    sets._load_i3d, probe_reader.load_probe = (lambda: network), random_probe
    suite = Suite(names=NAMES, same_identity=True)
    for number in videos:
        draw = torch.Generator().manual_seed(number)
        count = VIDEOS[number]
        shown = torch.rand(count, 3, 64, 64, generator=draw) * 2 - 1
        made = (shown + 0.3 * torch.randn(count, 3, 64, 64, generator=draw)).clamp(-1, 1)
        for start in range(0, count, BATCH):
            rows = range(start, min(start + BATCH, count))
            who = {"identity": ["ann"] * len(rows), "clip": [str(number)] * len(rows)}
            images = shown[start : start + BATCH]
            source = Portrait(shown[:1].expand_as(images), frame=torch.zeros(len(rows)).long(), **who)
            pair = PortraitPair(source, Portrait(images, frame=torch.tensor(rows), **who))
            suite.update(scene_of(made[start : start + BATCH], pair), pair)
    values = {entry.label: [entry.value, entry.frames, entry.note] for entry in suite.scores()}
    large = catalogue.build_metric("ms_ssim")
    for number in videos:
        draw = torch.Generator().manual_seed(number)
        large.update(large.values(*(Frames(torch.rand(1, 3, 176, 176, generator=draw)) for _ in range(2))))
    values["ms_ssim"] = [large.compute().item()]
    lost = CSIM(probe_reader.face_reader())
    for number in videos:
        lost.update(torch.tensor([float(number), torch.nan], dtype=torch.float64))
    value = lost.compute().item()
    with lost.sync_context():
        values["missing"] = [value, *lost.counts()]
    assert set(parse_metric(name).family for name in NAMES) >= {"fid", "fvd", "kid"}
    if out:
        out.write_text(json.dumps(values))


def score_two(rank: int, folder: Path) -> None:
    """Score the videos as one of two processes."""
    _set_up(folder)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    score([0, 1] if rank == 0 else [2], folder / "two.json" if rank == 0 else None)
    dist.destroy_process_group()


def score_one(_: int, folder: Path) -> None:
    """Score the videos alone."""
    _set_up(folder)
    score(list(VIDEOS), folder / "one.json")


def _set_up(folder: Path) -> None:
    os.environ["REENACT_HOME"] = str(folder)
    torch.set_num_threads(1)
    for cache in CACHES:
        cache.cache_clear()

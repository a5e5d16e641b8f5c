"""Cost of a frame of a method: seconds and multiplications, the source encoded once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch.utils.flop_counter import FlopCounterMode

from reenact.callbacks.score_files import write_scores
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.metrics.metric_names import COST, COST_METRICS
from reenact.metrics.suite import Score
from reenact.models.common.base import Reenactor, SourceState
from reenact.models.common.module import ReenactmentModule

FRAMES = 8
"""Frames of the video whose cost is measured."""


@torch.inference_mode()
def measure_costs(network: Reenactor[Any, Any], batch: PortraitPair) -> list[Score]:
    """Measure what a frame of a driving video costs, of the size of a batch, by the names of `COST_METRICS`.

    Reading the driving frame counts, encoding the source does not. Frames are played one by one, as live frames come.

    Args:
        network: the method; multiplications are those of the network as it was trained, seconds those of its folded
            form, as `animate` uses it.
        batch: pairs or clips, of which the first frames are used.
    """
    source, driving = _take_frame(batch.source), _take_frame(batch.driving)
    network = network.eval()
    state = network.encode(source)
    with FlopCounterMode(display=False) as counter:
        _play_frames(network, state, driving)
    folded = network.folded()
    state = folded.encode(source)
    _play_frames(folded, state, driving)
    seconds = _play_frames(folded, state, driving)
    device = driving.image.device.type
    where = f"{torch.get_num_threads()} of its threads" if device == "cpu" else torch.cuda.get_device_name()
    notes = {"seconds": f"on {device}, {where}, mean of {FRAMES} frames", "gmacs": ""}
    # The counter counts a multiplication and its addition as two operations.
    values = {"seconds": seconds / FRAMES, "gmacs": counter.get_total_flops() / 2e9 / FRAMES}
    return [Score(name, values[name], FRAMES, notes[name]) for name in COST_METRICS]


def write_costs(module: LightningModule, batch: PortraitPair, path: Path) -> tuple[int, list[Score]]:
    """Measure a method by `measure_costs` and write its costs as scores; return their frames, and the scores."""
    assert isinstance(module, ReenactmentModule)
    scores = measure_costs(module.network, batch)
    write_scores({COST: scores}, path)
    return FRAMES, scores


def _take_frame(portrait: Portrait) -> Portrait:
    """The first frame of the first portrait or clip of a batch."""
    frames = portrait.merged() if portrait.image.ndim == 5 else portrait
    return replace(frames[:1], window=None)


def _play_frames(network: Reenactor[Any, Any], state: SourceState, driving: Portrait) -> float:
    """Play a video of one frame over and over, and return its seconds."""

    def read_frames() -> Iterator[tuple[SourceState, Any]]:
        for _ in range(FRAMES):
            yield state, network.read(driving)

    start = time.perf_counter()
    for result in network.play(read_frames()):
        result.image[0, ..., 0, 0].tolist()  # waits for a GPU
    return time.perf_counter() - start

"""Differences of pose are the angles by which one head is turned from the other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reenact.faces.head import Head
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.metrics.pose_difference import measure_pose_differences


@pytest.fixture(scope="module")
def head():
    return Head()


def turned(head, *degrees: tuple[float, float, float]) -> FaceParams:
    params = head.neutral(len(degrees))
    return replace(params, global_pose=torch.tensor(degrees).deg2rad())


def pair(source: FaceParams, driving: FaceParams) -> PortraitPair:
    return PortraitPair(
        *(Portrait(torch.zeros(*params.leading, 3, 4, 4), params=params) for params in (source, driving))
    )


def test_angles_are_those_between_the_heads(head):
    source = turned(head, (0, 10, 0), (0, 0, 0), (0, 170, 0), (0, 0, 0))
    driving = turned(head, (0, -25, 0), (20, 0, 0), (0, -170, 0), (0, 0, 90))
    values = measure_pose_differences(head, pair(source, driving))
    assert values["pose_difference"].tolist() == pytest.approx([35, 20, 20, 90], abs=1e-3)
    assert values["yaw_difference"].tolist() == pytest.approx([35, 0, 20, 0], abs=1e-3)


def test_frames_of_a_clip_have_one_source(head):
    driving = turned(head, *((0, yaw, 0) for yaw in (5, 15, 25, 1, 2, 3))).map(lambda v: v.reshape(2, 3, *v.shape[1:]))
    values = measure_pose_differences(head, pair(turned(head, (0, 5, 0), (0, 1, 0)), driving))
    assert values["yaw_difference"].tolist() == pytest.approx([0, 10, 20, 0, 1, 2], abs=1e-3)

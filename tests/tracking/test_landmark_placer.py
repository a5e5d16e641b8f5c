"""Checks of landmarks on their way through a clip."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from reenact.estimators.base import FaceBox
from reenact.estimators.turned import LandmarkCheck
from reenact.tracking import landmark_placer
from reenact.tracking.landmark_placer import LandmarkPlacer


class Numbered:
    """Places landmarks that say which frame they are of."""

    name = "numbered"

    def landmarks(self, image, box):
        return np.full((68, 2), image[0, 0, 0], np.float32)


@pytest.mark.parametrize(("fps", "between"), [(25, 12), (24, 12), (50, 24), (Fraction(30000, 1001), 14), (1, 1)])
def test_landmarks_are_checked_by_the_clock(fps, between, monkeypatch):
    checked: list[int] = []

    def check(network, image, box, points):
        checked.append(int(points[0, 0]))
        return LandmarkCheck(0, 0, 0)

    monkeypatch.setattr(landmark_placer, "check_landmarks", check)
    placer = LandmarkPlacer(Numbered(), Fraction(fps))
    for number in range(60):
        placer.step(np.full((4, 4, 3), number, np.uint8), FaceBox(left=0, top=0, right=1, bottom=1), changed=False)
    assert checked == list(range(0, 60, between))
    assert len(placer.collect_points()) == 60

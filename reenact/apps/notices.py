"""Sentences that several commands add to their results."""

from __future__ import annotations

from collections.abc import Mapping

SYNTHETIC_NOTICE = (
    "the checkpoint was trained on the synthetic world alone: real faces come out as drawings; train on photographs"
    " with --data"
)


def saw_synthetic_only(recipe: Mapping[str, str]) -> bool:
    """Return True where the recipe of a method's training data is empty: every store and converter records one."""
    return not recipe

"""Metrics that a table can be measured with here, and the reasons why others cannot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reenact.benchmark.spec import Column
from reenact.errors import ReenactError, suggest_names
from reenact.metrics.metric_names import COST, COST_METRICS, check_metrics, find_reference, parse_metric

_NAME = re.compile(r"(?P<what>[a-z0-9_]+)(?P<part>\.[a-z]+)?\[[a-z0-9_,-]+\](?P<rest>.*)")


@dataclass(frozen=True)
class Measured:
    """A column as it is measured here."""

    column: Column
    metric: str
    """The metric's name: the column's own, or the probe's."""
    problem: str = ""
    """Reason why the column cannot be measured; empty where it can."""


def on_probe(metric: str) -> str:
    """Return the metric read by the probe: `csim[arcface-r50]` -> `csim[probe]`; pixel metrics are unchanged.

    The probe reads no translation, so that a distance of poses becomes one of rotations.
    """
    match = _NAME.fullmatch(metric)
    if match is None:
        return metric
    part = (match["part"] or "").replace(".pose", ".rotation")
    return f"{match['what']}{part}[probe]{match['rest']}"


def assign_metrics(columns: tuple[Column, ...], synthetic: bool) -> list[Measured]:
    """Each column with the metric that stands for it, or with the reason why none can.

    Args:
        columns: Of a table.
        synthetic: Whether it runs on the synthetic world, with the probe in place of networks of photographs.
    """
    measured = []
    for column in columns:
        if column.loader == COST:
            problem = "" if column.metric in COST_METRICS else suggest_names(column.metric, [*COST_METRICS])
            measured.append(Measured(column, column.metric, problem))
            continue
        metric = on_probe(column.metric) if synthetic else column.metric
        problem = ""
        try:
            check_metrics([metric])
            if column.loader == "cross" and find_reference(parse_metric(metric)) == "target":
                problem = "it needs the wanted picture, which cross-reenactment has not"
        except ReenactError as error:
            problem = str(error)
        measured.append(Measured(column, metric, problem))
    return measured

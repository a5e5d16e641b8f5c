"""The probe: the small network by which results are judged where no downloaded weights are."""

from reenact.models.probe.module import ProbeModule

__all__ = ["ProbeModule"]

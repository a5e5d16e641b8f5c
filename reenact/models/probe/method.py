"""The probe for the registry."""

from __future__ import annotations

from reenact.methods import Method

METHOD = Method(
    name="probe",
    order=6,
    summary="reads landmarks, face parameters and identity of the built-in head, to judge results with",
    needs="face parameters, landmarks",
    paper="this package",
    class_path="reenact.models.probe.ProbeModule",
    presets={"probe": "the network that the package ships"},
    makes_pictures=False,
)

"""The files that parts of the package share and that users provide; files of a method stand in its `Method.assets`.

Digests: `face_landmarker.task` was measured; torch's and face-alignment's file names carry the first digits; the others
are those that several independent projects pin.
"""

from __future__ import annotations

from reenact.assets.detectors import DETECTORS
from reenact.assets.face_models import FACE_MODELS, REGRESSORS
from reenact.assets.losses_and_metrics import LOSSES_AND_METRICS

ASSETS = {asset.name: asset for asset in (*FACE_MODELS, *REGRESSORS, *DETECTORS, *LOSSES_AND_METRICS)}

"""The three face models, as their files hold them, made by formulas."""

from __future__ import annotations

import numpy as np
import pytest

from faces.made_bfm import write_bfm
from faces.made_flame import made_arrays, made_embedding
from reenact.faces.flame import Flame
from reenact.faces.model import FaceModel
from reenact.faces.registry import load_face_model


@pytest.fixture(scope="session")
def face_models(tmp_path_factory) -> dict[str, FaceModel]:
    embedding = {key: np.asarray(value) for key, value in made_embedding().items()}
    bfm = load_face_model(str(write_bfm(tmp_path_factory.mktemp("models") / "bfm")))
    return {"head": load_face_model("head"), "flame": Flame(made_arrays(), embedding), "bfm": bfm}

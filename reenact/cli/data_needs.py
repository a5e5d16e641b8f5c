"""Needs of a method, held against the data of a run before it starts."""

from __future__ import annotations

from reenact import assets
from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.errors import ReenactError
from reenact.faces.contents import APPEARANCE_SOURCE
from reenact.models.common.portrait_module import PortraitModule

REMEDY = "make a store with: reenact prepare FOLDER --out STORE, and name it with --data clips --data.root STORE"
MASKS = (
    "make a store with: reenact prepare FOLDER --masks --out STORE, or reenact world --masks --out STORE, and name it"
    " with --data clips --data.root STORE"
)


def check_needs(model: PortraitModule, data: ReenactmentDataModule, command: str) -> None:
    """Hold what the method needs against the data and the files of this machine.

    Raises:
        ReenactError: if something is missing; the message has the command that makes it.
    """
    needs = model.needs
    missing = needs.find_missing(data.describe())
    if missing:
        missing_text = " and ".join(missing)
        remedy = REMEDY
        if needs.texture or needs.light:
            remedy = f"{APPEARANCE_SOURCE}; {REMEDY}"
        if needs.mask and not data.describe().mask:
            remedy = f"the synthetic world has them: leave out --data, or {MASKS}"
        raise ReenactError(
            f"{type(model).__name__} needs {missing_text} of every portrait and the data has none; {remedy}"
        )
    if command == "fit":
        model.check_losses()
        model.check_image_size(data.size)
    assets.require_all(model.assets("fit" if command == "fit" else "use"))

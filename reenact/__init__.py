"""Face-reenactment methods under one set of contracts.

The names of `__all__` are those that a notebook needs. Each is imported when it is first used, so that `import reenact`
needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reenact.apps.animate import animate
    from reenact.apps.edit import edit
    from reenact.apps.evaluate import evaluate
    from reenact.errors import ReenactError
    from reenact.models.common.checkpoint import load_method
    from reenact.tracking.read_face import read_face

__version__ = "0.1.0"
__all__ = ["ReenactError", "__version__", "animate", "edit", "evaluate", "load_method", "read_face"]

_MODULES = {
    "ReenactError": "reenact.errors",
    "animate": "reenact.apps.animate",
    "edit": "reenact.apps.edit",
    "evaluate": "reenact.apps.evaluate",
    "load_method": "reenact.models.common.checkpoint",
    "read_face": "reenact.tracking.read_face",
}
"""Public name -> the module that defines it."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """List the public names beside the imported rooms."""
    return sorted({*globals(), *__all__})

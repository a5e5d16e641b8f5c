"""Names of devices on which networks run."""

from __future__ import annotations

import torch

from reenact.errors import ReenactError


def pick_device(name: str) -> torch.device:
    """A device by name; `auto` is the accelerator where there is one.

    Raises:
        ReenactError: if the name is unknown or the device is absent.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ReenactError(f"--device {name} is not available here; use cpu or auto") from error
    return device

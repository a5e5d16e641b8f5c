"""The name under which pip installs this package, for hints."""

from __future__ import annotations

DISTRIBUTION = "reenact-zoo"
"""The distribution's name. The package `reenact` on the public index is not this one."""


def install_hint(*extras: str) -> str:
    """Return the command that installs optional packages by the names of their extras.

    pip leaves an installed distribution as it is and adds the packages of its extras, also for a checkout.
    """
    return f"pip install '{DISTRIBUTION}[{','.join(extras)}]'"

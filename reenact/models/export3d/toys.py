"""Export3D at its smallest, for the common tests."""

from __future__ import annotations

from collections.abc import Callable

from reenact.models.common.expression_basis import BasisConfig
from reenact.models.common.module import ReenactmentModule
from reenact.models.export3d.discriminator import DiscriminatorConfig
from reenact.models.export3d.module import Export3DLosses, Export3DModule, Export3DOptimisation
from reenact.models.export3d.network import Export3DConfig
from reenact.nn.ray_marching import RaySampling


def list_toys() -> dict[str, Callable[[], ReenactmentModule]]:
    """Return a maker of the form that stands on nothing, with the discriminator from the second step on."""
    return {"export3d": _build_toy}


def _build_toy() -> Export3DModule:
    network = Export3DConfig(
        size=32, rays=16, sampling=RaySampling(coarse=8, fine=8), decoder=16, resolution_widths=(8, 8),
        stem=[8, 8, 16, 16], tokens=32, heads=2, blocks=1, low=16, code=8, channels=8, expression="lebs",
        source_lookup=True, basis=BasisConfig(components=3, width=8, hidden=8),
    )  # fmt: skip
    return Export3DModule(
        network=network,
        discriminator=DiscriminatorConfig(base=128, largest=8, layers=2),
        losses=Export3DLosses(perceptual="pixels", first_phase=2),
        optimisation=Export3DOptimisation(generator_lr=5e-3, discriminator_lr=1e-4),
    )

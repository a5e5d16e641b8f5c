"""The synthetic world: talking heads drawn from a seed, with everything about them known."""

from reenact.world.renderer import SyntheticFrame, World

__all__ = ["SyntheticFrame", "World"]

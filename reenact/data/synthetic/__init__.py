"""The synthetic world: talking heads drawn from a seed, with everything about them known."""

from reenact.data.synthetic.world import SyntheticFrame, World

__all__ = ["SyntheticFrame", "World"]

"""The contract by which a method says what it is, and the registry that finds methods. No torch here."""

from reenact.methods.method import ControlFile, CropRule, Foundation, Method, PairPlan, Recipe

__all__ = ["ControlFile", "CropRule", "Foundation", "Method", "PairPlan", "Recipe"]

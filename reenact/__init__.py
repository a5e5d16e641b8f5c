"""Portraits in, portraits out: face-reenactment methods under one set of contracts."""

__version__ = "0.1.0"

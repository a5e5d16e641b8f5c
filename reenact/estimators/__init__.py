"""Thin adapters over libraries that look at faces."""

"""Metric classes and the suite that runs them."""

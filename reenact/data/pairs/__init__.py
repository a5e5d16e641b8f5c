"""Pairs of source and driving portraits: sampling for training, lists and plans for testing."""

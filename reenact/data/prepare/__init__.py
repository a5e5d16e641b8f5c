"""From raw videos and pictures to a store: track, crop, landmarks, face parameters."""

from reenact.data.prepare.pipeline import prepare

__all__ = ["prepare"]

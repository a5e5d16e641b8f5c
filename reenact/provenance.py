"""The words that say in a file's metadata that a model made it."""

from __future__ import annotations

from reenact import __version__

DIGITAL_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model."""


def mark_words(method: str = "", checkpoint_sha256: str = "") -> dict[str, str]:
    """Return the words that a generated file carries.

    Args:
        method: Name of the method that made the pixels; empty where the file shows several, or one in training.
        checkpoint_sha256: Hash of its weights; empty for weights that are in no file.
    """
    generator = f"reenact {__version__}"
    by = f", method {method}" if method else ""
    mark = {
        "synthetic": "true",
        "comment": f"Synthetic media: not a recording. Made with {generator}{by}.",
        "generator": generator,
        "method": method,
        "checkpoint_sha256": checkpoint_sha256,
        "digital_source_type": DIGITAL_SOURCE,
    }
    return {key: value for key, value in mark.items() if value}

"""The one error type that reaches a person as a single sentence."""

from __future__ import annotations

import difflib


class ReenactError(Exception):
    """Bad input: the message names the file or option and the remedy.

    The command line prints the message alone and exits with code 2; from Python it is raised as it is.
    """

    def __init__(self, sentence: str) -> None:
        # A DataLoader raises a worker's error anew with the traceback as its message, whose last line has the sentence.
        if sentence.startswith("Caught ") and "\nOriginal Traceback" in sentence:
            sentence = sentence.rstrip().rpartition("\n")[2].partition(": ")[2]
        super().__init__(sentence)


def suggest_names(name: str, names: list[str]) -> str:
    """Half a sentence that names the known names near to `name`, or all of them where none is near."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.55)
    near += [other for other in names if name and other.startswith(name) and other not in near]
    if near:
        return f"did you mean {' or '.join(near[:4])}?"
    return f"known: {', '.join(names)}" if names else "none is installed"

"""The one error type that reaches a person as a single sentence."""

from __future__ import annotations

import difflib

MAX_NAMES = 30
"""Most names that a sentence lists."""


class ReenactError(Exception):
    """Bad input: one sentence that names the file or option, the problem and the remedy.

    The command line prints the sentence alone and exits with code 2; from Python it is raised as it is. An error whose
    text is written in one piece has it as its problem.

    Args:
        problem: What is wrong, without its subject: `has no video stream`; or the whole sentence.
        subject: The file, option or clip that it is about; empty where the problem or a caller names it.
        remedy: What to do about it; empty where the problem says it.
    """

    def __init__(self, problem: str, *, subject: object = "", remedy: str = "") -> None:
        # A DataLoader raises a worker's error anew with the traceback as its message, whose last line has the sentence.
        if problem.startswith("Caught ") and "\nOriginal Traceback" in problem:
            problem = problem.rstrip().rpartition("\n")[2].partition(": ")[2]
        self.problem, self.subject, self.remedy = problem, str(subject), remedy
        super().__init__(f"{self.subject} {self.statement}".lstrip())

    @property
    def statement(self) -> str:
        """The problem and its remedy, without the subject."""
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem

    def about(self, subject: object) -> ReenactError:
        """Return the error of a subject that this one does not name; an error with a subject is returned as it is."""
        return self if self.subject else ReenactError(self.problem, subject=subject, remedy=self.remedy)

    def with_remedy(self, remedy: str) -> ReenactError:
        """Return the error with a remedy; an error that has one is returned as it is."""
        return self if self.remedy else ReenactError(self.problem, subject=self.subject, remedy=remedy)

    def describe_within(self, subject: object) -> str:
        """Text of the error for a place that names the subject already."""
        return self.statement if self.subject == str(subject) else str(self)


def suggest_names(name: str, names: list[str]) -> str:
    """Half a sentence that names the known names near to `name`, or up to thirty of them where none is near."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.55)
    near += [other for other in names if name and other.startswith(name) and other not in near]
    if near:
        return f"did you mean {' or '.join(near[:4])}?"
    others = f" and {len(names) - MAX_NAMES} others" if len(names) > MAX_NAMES else ""
    return f"known: {', '.join(names[:MAX_NAMES])}{others}" if names else "none is installed"

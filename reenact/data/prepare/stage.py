"""Contract of a stage of `prepare`: one step of every clip, with a result in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.prepare.job import Settings, Tools
from reenact.data.prepare.work import ClipTask, Result
from reenact.estimators.table import list_estimators

Device = Literal["cpu", "gpu"]


class Stage:
    """A step of every clip.

    A stage reads the clip's file and the results of earlier stages, and nothing else: what its result depends on is in
    its key. `prepare` runs it for the clips whose stored result has another key.
    """

    name: ClassVar[str]
    """Name of the stage and of the file of its result."""
    inputs: ClassVar[tuple[str, ...]] = ()
    """Earlier stages whose results it reads; it may read those of their own inputs too, since their keys hold them."""
    tools: ClassVar[tuple[str, ...]] = ()
    """Attributes of `Tools` that it uses; loaded before the first clip comes."""

    def key_parts(self, keys: Mapping[str, str], clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List everything that the result depends on.

        Args:
            keys: Keys of the earlier stages; `content` is the hash of the clip's file.
            clip: The clip.
            settings: How it is prepared.
        """
        return (*(keys[name] for name in self.inputs), *self.list_settings(clip, settings))

    def list_settings(self, clip: ClipInput, settings: Settings) -> tuple[object, ...]:
        """List the settings, and properties of the clip, that the result depends on."""
        return ()

    def pick_device(self, settings: Settings) -> Device:
        """Name the device that the stage keeps busy where the job has a GPU."""
        return "cpu"

    def count_clips(self, settings: Settings) -> int:
        """Count the clips that one call on a GPU should be given, so that a network's batches are full."""
        return 1

    def load(self, tools: Tools) -> None:
        """Load the tools of the stage; raises `ReenactError` if something is missing."""
        for tool in self.tools:
            getattr(tools, tool)

    def run(self, tasks: Sequence[ClipTask], tools: Tools) -> list[Result | None]:
        """Process clips; the result of a clip that can't be used is None, and its task has the reason."""
        results: list[Result | None] = []
        for task in tasks:
            result = None
            with task.blamed(self.name):
                result = self.process_clip(task, tools)
            results.append(result)
        return results

    def process_clip(self, task: ClipTask, tools: Tools) -> Result:
        """Process one clip.

        Raises:
            ReenactError: if the clip can't be used.
            StoreWriteError: if the disk refuses.
        """
        raise NotImplementedError

    def describe_clip(self, task: ClipTask) -> dict[str, Any]:
        """Fields of the clip's row in the manifest that the finished stage fills."""
        return {}


def finder_device(settings: Settings) -> Device:
    """Name the device of the networks that find the face and its landmarks."""
    finders = list_estimators("finder")
    names = {settings.landmarks, settings.detector or settings.landmarks}
    return "gpu" if any(finders[name].on_gpu for name in names) else "cpu"

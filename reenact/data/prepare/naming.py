"""Names of clips in a store that holds clips of other inputs: one name stands for one source file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reenact.data.clip_input import ClipInput
from reenact.data.layouts.folders import identity_of
from reenact.data.prepare.job import Settings, stage_keys
from reenact.data.prepare.stages import source_content
from reenact.data.store import Store
from reenact.data.store_writer import StoreWriter


def name_apart(clips: Sequence[ClipInput], writer: StoreWriter, settings: Settings) -> list[ClipInput]:
    """Rename the clips whose names usable clips of other files have in the store.

    A file that was moved keeps its name: content and settings are the same. A new name ends with a hash of the
    source's path, so that the next run finds it again.

    Args:
        clips: The clips of an input.
        writer: The store.
        settings: How they are prepared.
    """
    owners = Store(writer.root).sources()
    return [
        _renamed(clip) if clip.name in owners and not _owns(clip, *owners[clip.name], writer, settings) else clip
        for clip in clips
    ]


def _owns(clip: ClipInput, source: str, key: str, writer: StoreWriter, settings: Settings) -> bool:
    """Tell if the clip in the store was made from this file, or from one of the same content."""
    if clip.source == source:
        return True
    if clip.missing or clip.fault:
        return False
    return list(stage_keys(source_content(clip, writer), clip, settings).values())[-1] == key


def _renamed(clip: ClipInput) -> ClipInput:
    suffix = Path(clip.name).suffix
    mark = hashlib.sha256(f"{clip.source} {clip.span}".encode()).hexdigest()[:8]
    name = f"{clip.name.removesuffix(suffix)}-{mark}{suffix}"
    # Two files of one name without `#` say nothing of one person.
    follows = "#" not in clip.name and clip.identity == identity_of(clip.name)
    return replace(clip, name=name, identity=identity_of(name) if follows else clip.identity)

"""Names of clips in a store that holds clips of other inputs: one name stands for one source file.

Names are reserved before the first clip is begun, so that this holds for runs that begin at the same moment too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reenact.data.layouts.clip_input import ClipInput
from reenact.data.layouts.folders import identity_of
from reenact.data.prepare.job import Settings
from reenact.data.prepare.runner import source_content
from reenact.data.prepare.stage_list import clip_key, stage_keys
from reenact.data.store.reader import Store
from reenact.data.store.writer import StoreWriter


def name_apart(clips: Sequence[ClipInput], writer: StoreWriter, settings: Settings) -> list[ClipInput]:
    """Reserve the names of clips in the store, and rename the clips whose names belong to other files.

    A file that was moved keeps its name: content and settings are the same. A new name ends with a hash of the
    source's path, so that the next run finds it again.

    Args:
        clips: The clips of an input.
        writer: The store.
        settings: How they are prepared.
    """
    owners = Store(writer.root).sources()
    same = {
        clip.name: owners[clip.name][0]
        for clip in clips
        if clip.name in owners and _owns_clip(clip, *owners[clip.name], writer, settings)
    }
    reserved = writer.reserve(((clip.name, clip.source) for clip in clips), same)
    renamed = {clip.name: _rename_clip(clip) for clip in clips if clip.name in reserved}
    writer.reserve(((clip.name, clip.source) for clip in renamed.values()), {})
    return [renamed.get(clip.name, clip) for clip in clips]


def _owns_clip(clip: ClipInput, source: str, key: str, writer: StoreWriter, settings: Settings) -> bool:
    """Tell if the clip in the store was made from this file, or from one of the same content."""
    if clip.source == source:
        return True
    if clip.missing or clip.fault:
        return False
    return clip_key(stage_keys(source_content(clip, writer), clip, settings)) == key


def _rename_clip(clip: ClipInput) -> ClipInput:
    suffix = Path(clip.name).suffix
    mark = hashlib.sha256(f"{clip.source} {clip.span}".encode()).hexdigest()[:8]
    name = f"{clip.name.removesuffix(suffix)}-{mark}{suffix}"
    # Two files of one name without `#` say nothing of one person.
    follows = "#" not in clip.name and clip.identity == identity_of(clip.name)
    return replace(clip, name=name, identity=identity_of(name) if follows else clip.identity)

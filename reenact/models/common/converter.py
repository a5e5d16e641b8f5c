"""Interfaces of the converters of official files, and the search for the one that reads a file or folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait
from reenact.methods.registry import check_packages, describe_error, list_methods
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.official_files import FileNames, find_files
from reenact.models.common.official_settings import Setting

LOG = logging.getLogger("reenact")


class Converter(Protocol):
    """Interface of the module that `Method.converter` names; `official` is the content of its file or folder."""

    TITLE: str
    """Common name of the format."""
    RELEASED: Mapping[str, tuple[object, ...]]
    """Sizes of the released files by their names in the official configuration, with all values that occur."""

    def recognises(self, official: Mapping[str, Any]) -> bool:
        """Return True if the content is of this format."""

    def read_sizes(self, official: Mapping[str, Any]) -> dict[str, object]:
        """Return what the weights tell of the official configuration, by its names.

        Raises:
            KeyError, ValueError, IndexError: if a weight that tells a size is missing.
        """

    def list_settings(self, official: Mapping[str, Any]) -> tuple[Setting, ...]:
        """Return what the weights don't tell and the method runs by."""

    def build_portrait(self, module: ReenactmentModule) -> Portrait:
        """Return a portrait that the method reads, for a check."""

    def build(
        self, official: Mapping[str, Any], path: Path, face_model: str, values: Mapping[str, Any]
    ) -> tuple[ReenactmentModule, dict[str, Tensor]]:
        """The method at the file's sizes, and the file's weights by our names.

        Raises:
            KeyError, ValueError, IndexError: if a weight that tells a size is missing.
            ReenactError: if the file does not fit for another reason.
        """


@runtime_checkable
class FolderConverter(Converter, Protocol):
    """A converter of a folder of several official files; `official` maps the names of its parts to their contents."""

    FILES: FileNames
    """Name of each part -> the paths in the folder that its file may have."""


@runtime_checkable
class BaseConverter(Converter, Protocol):
    """A converter whose method stands on a folder of another project; `official["base"]` is what it reads of that."""

    BASE: str
    """Content of the base folder, for messages: `Stable Diffusion 1.5`."""

    def read_base(self, base: Path) -> Mapping[str, Any]:
        """Return what the method takes from the base folder; `read_folder` reads files of weights by their names.

        Raises:
            ReenactError: if a file is missing or damaged.
        """


def find_converter(official: Mapping[str, Any], path: Path) -> Converter:
    """Return the converter that recognises the content of a file.

    Raises:
        ReenactError: if none does; lists the formats.
    """
    converters = list(load_converters())
    singles = (converter for converter in converters if not isinstance(converter, FolderConverter))
    converter = next((converter for converter in singles if converter.recognises(official)), None)
    if converter is None:
        titles = ", ".join(converter.TITLE for converter in converters)
        raise ReenactError(f"{path} is no official checkpoint that is known here: give one of {titles}")
    return converter


def find_folder_converter(folder: Path) -> FolderConverter:
    """Return the converter that reads most files of a folder, by their names.

    Raises:
        ReenactError: if none reads any; lists the names that are looked for.
    """
    converters = list(load_converters())
    best: FolderConverter | None = None
    most = 0.0
    for converter in converters:
        if isinstance(converter, FolderConverter):
            share = len(find_files(folder, converter.FILES)) / max(1, len(converter.FILES))
            best, most = (converter, share) if share > most else (best, most)
    if best is None:
        formats = ", ".join(_describe_format(converter) for converter in converters)
        raise ReenactError(f"{folder} holds no official files that are known here: give one of {formats}")
    return best


def load_converters() -> Iterator[Converter]:
    """Import the converters of all methods; one that breaks is announced and leaves the others usable."""
    for method in list_methods():
        if method.converter is None:
            continue
        try:
            check_packages(method)
            converter = import_module(method.converter)
        except Exception as error:  # whatever the user's own module raises
            LOG.warning("warning: the converter of %s is left out: %s", method.name, describe_error(error))
        else:
            yield cast("Converter", converter)


def _describe_format(converter: Converter) -> str:
    if not isinstance(converter, FolderConverter):
        return f"the file of {converter.TITLE}"
    names = ", ".join(" or ".join(names) for names in converter.FILES.values())
    return f"a folder of {converter.TITLE} with {names}"

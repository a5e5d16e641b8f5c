"""`reenact doctor`: what is installed and found, what is missing and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reenact import __version__, assets
from reenact.estimators.table import PACKAGES
from reenact.install import DISTRIBUTION, install_hint
from reenact.methods.registry import describe_absence, list_methods, scan_methods
from reenact.runs import presets

State = Literal["ok", "absent", "bad"]
_COLOURS = {"ok": "green", "absent": "yellow", "bad": "red"}

CORE = ("torch", "torchvision", "pytorch-lightning", "jsonargparse", "numba", "av", "opencv-python", "safetensors")
CODECS: tuple[tuple[str, Literal["r", "w"], str], ...] = (
    ("h264", "r", "read mp4"),
    ("libx264", "w", "write mp4"),
    ("aac", "w", "write sound"),
)
OPTIONAL = {
    **{
        package.distribution: (module, package.purpose, install_hint(package.extra))
        for module, package in PACKAGES.items()
    },
    "ray": ("ray", "prepare --engine ray", install_hint("ray")),
    "lmdb": ("lmdb", "import of lmdb folders", install_hint("lmdb")),
    "scikit-image": ("skimage", "surfaces of Export3D", install_hint("surface")),
    "bitsandbytes": ("bitsandbytes", "Adam with moments of 8 bits", install_hint("adam8bit")),
    "s3fs": ("s3fs", "data roots at s3://", install_hint("s3")),
    "wandb": ("wandb", "--logger wandb", install_hint("wandb")),
    "tensorboard": ("tensorboard", "--logger tensorboard", install_hint("tensorboard")),
    "pytorch3d": ("pytorch3d", "one more rasteriser to compare with", "build it from source; nothing needs it"),
    "triton": ("triton", "rasteriser on NVIDIA GPUs", "comes with torch for CUDA on Linux"),
}
"""Distribution -> (module, what it is for, how to get it)."""


@dataclass(frozen=True)
class Finding:
    """One row of the report."""

    group: str
    name: str
    state: State
    detail: str


def doctor() -> int:
    """Show versions, devices, codecs, optional packages, weight files and face models, and what to do about gaps.

    Returns:
        0, or 1 if something that every command needs is broken.
    """
    findings = [
        *check_packages(),
        *check_devices(),
        *check_codecs(),
        *optional_packages(),
        *list_broken_methods(),
        *check_files(),
        *check_folders(),
    ]
    console = Console()
    table = Table(box=None, title=f"reenact {__version__}", title_justify="left")
    for column in ("", "what", "state", "detail"):
        table.add_column(column, no_wrap=column != "detail", overflow="fold")
    group = None
    for finding in findings:
        if group not in (None, finding.group):
            table.add_section()
        state = Text(finding.state, style=_COLOURS[finding.state])
        # Text, not str: Rich takes the brackets of a str for markup.
        table.add_row(finding.group if finding.group != group else "", finding.name, state, Text(finding.detail))
        group = finding.group
    console.print(table)
    return int(any(finding.state == "bad" for finding in findings))


def check_packages() -> Iterator[Finding]:
    """Python and the packages that are always needed."""
    yield Finding(
        "packages", "python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    for name in CORE:
        version = _package_version(name)
        yield Finding(
            "packages", name, "ok" if version else "bad", version or f"missing; pip install --upgrade {DISTRIBUTION}"
        )


def check_devices() -> Iterator[Finding]:
    """Report the devices on which networks can run."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("devices", "cpu", "ok", f"{cores} cores, {torch.get_num_threads()} threads in torch")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = f"{properties.total_memory / 2**30:.0f} GiB, compute {properties.major}.{properties.minor}"
        yield Finding("devices", f"cuda:{index}", "ok", f"{properties.name}, {memory}")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        detail = (
            f"no NVIDIA GPU or driver (torch is built for CUDA {built})" if built else "torch is built without CUDA"
        )
        yield Finding("devices", "cuda", "absent", f"{detail}; training runs on the CPU")


def check_codecs() -> Iterator[Finding]:
    """Report the codecs that PyAV can read and write."""
    import av

    for name, mode, purpose in CODECS:
        try:
            av.Codec(name, mode)
        except ValueError:
            yield Finding(
                "video", name, "bad", f"cannot {purpose}; install av from the package index, it brings FFmpeg"
            )
        else:
            yield Finding("video", name, "ok", purpose)
    tool = shutil.which("ffmpeg")
    yield Finding(
        "video", "ffmpeg program", "ok" if tool else "absent", tool or "not needed: PyAV brings the libraries"
    )


def optional_packages() -> Iterator[Finding]:
    """Packages behind single features."""
    for name, (module, purpose, remedy) in OPTIONAL.items():
        installed = find_spec(module) is not None
        detail = f"{_package_version(name) or ''} {purpose}".strip() if installed else f"{purpose}; {remedy}"
        yield Finding("optional", name, "ok" if installed else "absent", detail)


def list_broken_methods() -> Iterator[Finding]:
    """Yield methods that lack a package, and packages whose methods are left out."""
    for method in list_methods():
        if describe_absence(method):
            yield Finding("methods", method.name, "absent", describe_absence(method))
    for label, problem in scan_methods().problems.items():
        yield Finding("methods", label, "absent", problem)


def check_files() -> Iterator[Finding]:
    """Weights and face models that people bring."""
    yield Finding("files", "head", "ok", "built-in face model")
    for name, asset in assets.collect_assets().items():
        path = assets.locate_asset(name)
        detail = str(path) if path else f"{asset.purpose}; reenact weights {'get' if asset.url else 'list'} {name}"
        yield Finding("files", name, "ok" if path else "absent", detail)


def check_folders() -> Iterator[Finding]:
    """Folders in use."""
    yield Finding("folders", "presets", "ok" if presets.preset_names("model") else "bad", str(presets.presets_folder()))
    yield _check_writable("files", assets.cache_dir(), "set REENACT_HOME to a folder of yours, where weights are added")
    yield _check_writable("runs", Path.cwd(), "start in a folder of yours, or name one with --out")
    yield _check_writable("temporary", Path(tempfile.gettempdir()), "set TMPDIR to a folder of yours")


def _check_writable(name: str, folder: Path, remedy: str) -> Finding:
    """Report a folder, or the nearest one above that exists, by trying to write there: rights alone don't tell."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return Finding("folders", name, "ok", str(folder))
    except OSError as error:
        return Finding("folders", name, "bad", f"{folder} cannot be written ({error.strerror}); {remedy}")


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

"""`reenact export`: a trained method as files that others can read without this package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from reenact import __version__
from reenact.errors import ReenactError
from reenact.models.common.checkpoint import SETTINGS, WEIGHTS, read_checkpoint
from reenact.models.common.header import check_header
from reenact.models.common.large_weights import write_tensors
from reenact.models.common.rebuild import check_weights
from reenact.paths import PathLike


def export(checkpoint: PathLike, out: PathLike) -> Path:
    """Write weights and settings of a method, without the state of its training; every command reads them back.

    Args:
        checkpoint: a checkpoint of `reenact fit` or `reenact convert`.
        out: the folder to make, of `weights.safetensors` and `config.json`.

    Returns:
        `out`.

    Raises:
        ReenactError: if the checkpoint is none of ours, or `out` exists or can't be written; nothing is left then.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    if out.exists():
        raise ReenactError(f"--out {out} exists: choose another folder or remove it")
    content = read_checkpoint(checkpoint)
    header = check_header(content, str(checkpoint))
    weights = check_weights(content.get("state_dict"), str(checkpoint))
    step = content.get("global_step", 0)
    about = {"reenact": header.write(), "version": __version__, "global_step": step if type(step) is int else 0}
    partial = out.with_name(out.name + ".part")
    try:
        partial.mkdir(parents=True)
        write_tensors(weights, partial / WEIGHTS)
        (partial / SETTINGS).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        partial.rename(out)
    except OSError as error:
        raise ReenactError(f"--out {out} can't be written ({error.strerror}): choose another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out

"""The table of commands."""

from __future__ import annotations

from dataclasses import dataclass, field

TRAINER_COMMANDS = {
    "fit": "train a method",
    "validate": "run the validation loop on a checkpoint",
    "test": "run the test loop on a checkpoint",
    "predict": "write the results of a checkpoint on a data set as pictures",
}
"""Lightning's commands, all with the same options."""


@dataclass(frozen=True)
class Command:
    """A command of ours: a typed function whose parameters become options.

    The function's module is imported when the command is chosen, never before.
    """

    summary: str
    function: str
    """`module:function`."""
    positional: tuple[str, ...] = ()
    """Parameters given by place."""
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Parameter -> other spellings of its option."""
    checkpoint: str = ""
    """Parameter that names a checkpoint, for which `last` may stand."""
    spellings: str = ""
    """Function that lists the options which spell items of `--set`, see `reenact.apps.edit_options`."""
    takes_packages: bool = False
    """Let `--allow-package` name packages whose classes its checkpoints may be of."""


COMMANDS = {
    "prepare": Command(
        "turn videos or pictures into a store: track, crop, landmarks, face parameters",
        "reenact.data.prepare:prepare",
        positional=("input",),
        aliases={"out": ("-o",)},
    ),
    "world": Command(
        "write the synthetic world as a store with exact parameters",
        "reenact.data.synthetic.write_store:write_synthetic_store",
        aliases={"out": ("-o",)},
    ),
    "pack": Command(
        "write a store as tar shards for object storage",
        "reenact.data.store.pack:pack",
        positional=("store",),
        aliases={"out": ("-o",)},
    ),
    "pairs": Command(
        "write a list of test pairs, as many as a paper has",
        "reenact.data.pairs.plans:write_plan",
        positional=("store",),
        aliases={"out": ("-o",)},
    ),
    "animate": Command(
        "drive a portrait with a video",
        "reenact.apps.animate:animate",
        aliases={"out": ("-o",), "checkpoint": ("-c",)},
        checkpoint="checkpoint",
        takes_packages=True,
    ),
    "edit": Command(
        "change the expression or pose of a portrait",
        "reenact.apps.edit:edit",
        aliases={"out": ("-o",), "checkpoint": ("-c",)},
        checkpoint="checkpoint",
        spellings="reenact.apps.edit_options:list_edit_options",
        takes_packages=True,
    ),
    "controls": Command(
        "list the controls of a checkpoint that edit sets, with their ranges",
        "reenact.apps.list_controls:list_controls",
        positional=("checkpoint",),
        checkpoint="checkpoint",
        takes_packages=True,
    ),
    "evaluate": Command(
        "score frames or videos that any method made",
        "reenact.apps.evaluate:evaluate",
        aliases={"out": ("-o",)},
    ),
    "benchmark": Command(
        "make a paper's table again: train, score, write the numbers beside the paper's",
        "reenact.benchmark.run:benchmark",
        positional=("table",),
        aliases={"out": ("-o",)},
        takes_packages=True,
    ),
    "export": Command(
        "write a checkpoint's weights and settings as safetensors and JSON, for others to use",
        "reenact.apps.export:export",
        positional=("checkpoint",),
        aliases={"out": ("-o",)},
        checkpoint="checkpoint",
        takes_packages=True,
    ),
    "dashboard": Command(
        "build the views of a Weights & Biases project",
        "reenact.benchmark.dashboard:dashboard",
        aliases={"out": ("-o",)},
    ),
    "convert": Command(
        "turn an official checkpoint into ours",
        "reenact.models.common.convert:convert",
        positional=("path",),
        aliases={"out": ("-o",)},
    ),
    "weights": Command(
        "list, locate, check, add or fetch the files that parts of the package need",
        "reenact.cli.weights:weights",
        positional=("action", "name", "file"),
        aliases={"preset": ("--for",)},
    ),
    "list": Command("list methods, presets, data sets and scales", "reenact.cli.zoo:list_zoo"),
    "doctor": Command("show what is installed, what is missing and how to get it", "reenact.cli.doctor:doctor"),
}

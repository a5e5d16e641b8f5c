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


@dataclass(frozen=True, kw_only=True)
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
        summary="turn videos or pictures into a store: track, crop, landmarks, face parameters",
        function="reenact.data.prepare:prepare",
        positional=("input",),
        aliases={"out": ("-o",)},
    ),
    "world": Command(
        summary="write the synthetic world as a store with exact parameters",
        function="reenact.data.synthetic.write_store:write_synthetic_store",
        aliases={"out": ("-o",)},
    ),
    "import": Command(
        summary="write clips with coefficients that other projects have prepared as a store",
        function="reenact.data.coefficients.write:import_coefficients",
        positional=("root",),
        aliases={"out": ("-o",)},
    ),
    "pack": Command(
        summary="write a store as tar shards for object storage",
        function="reenact.data.store.pack:pack",
        positional=("store",),
        aliases={"out": ("-o",)},
    ),
    "pairs": Command(
        summary="write a list of test pairs, as many as a paper has",
        function="reenact.data.pairs.plans:write_plan",
        positional=("store",),
        aliases={"out": ("-o",)},
    ),
    "animate": Command(
        summary="drive a portrait with a video",
        function="reenact.apps.animate:animate",
        aliases={"out": ("-o",), "checkpoint": ("-c",)},
        checkpoint="checkpoint",
        takes_packages=True,
    ),
    "edit": Command(
        summary="change the expression or pose of a portrait",
        function="reenact.apps.edit:edit",
        aliases={"out": ("-o",), "checkpoint": ("-c",)},
        checkpoint="checkpoint",
        spellings="reenact.apps.edit_options:list_edit_options",
        takes_packages=True,
    ),
    "controls": Command(
        summary="list the controls of a checkpoint that edit sets, with their ranges",
        function="reenact.apps.list_controls:list_controls",
        positional=("checkpoint",),
        checkpoint="checkpoint",
        takes_packages=True,
    ),
    "evaluate": Command(
        summary="score frames or videos that any method made",
        function="reenact.apps.evaluate:evaluate",
        aliases={"out": ("-o",)},
    ),
    "benchmark": Command(
        summary="make a paper's table again: train, score, write the numbers beside the paper's",
        function="reenact.benchmark.run:benchmark",
        positional=("table",),
        aliases={"out": ("-o",)},
        takes_packages=True,
    ),
    "export": Command(
        summary="write a checkpoint's weights and settings as safetensors and JSON, for others to use",
        function="reenact.apps.export:export",
        positional=("checkpoint",),
        aliases={"out": ("-o",)},
        checkpoint="checkpoint",
        takes_packages=True,
    ),
    "dashboard": Command(
        summary="build the views of a Weights & Biases project",
        function="reenact.benchmark.dashboard:dashboard",
        aliases={"out": ("-o",)},
    ),
    "convert": Command(
        summary="turn an official checkpoint into ours",
        function="reenact.models.common.convert:convert",
        positional=("path",),
        aliases={"out": ("-o",)},
    ),
    "weights": Command(
        summary="list, locate, check, add or fetch the files that parts of the package need",
        function="reenact.cli.weights:weights",
        positional=("action", "name", "file"),
        aliases={"preset": ("--for",)},
    ),
    "list": Command(summary="list methods, presets, data sets and scales", function="reenact.cli.zoo:list_zoo"),
    "doctor": Command(
        summary="show what is installed, what is missing and how to get it", function="reenact.cli.doctor:doctor"
    ),
}

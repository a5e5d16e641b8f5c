"""Help pages of `reenact` and of Lightning's commands, made without torch in well under a second."""

from __future__ import annotations

from reenact.cli.commands import COMMANDS, TRAINER_COMMANDS
from reenact.methods.registry import list_methods
from reenact.runs import presets

COMMON_OPTIONS = {
    "--trainer.max_steps N": "steps to train (a step is one batch)",
    "--trainer.max_epochs N": "passes over the data to train",
    "--trainer.devices N": "devices to use",
    "--trainer.precision P": "32-true, bf16-mixed or 16-mixed",
    "--model.optimisation.accumulate N": "batches per optimiser step",
    "--trainer.val_check_interval N": "batches between validations",
    "--data.root PATH": "folder of the data set or of the store",
    "--data.batch_size N": "pairs per batch, over all processes",
    "--data.num_workers N": "processes that load data",
    "--checkpoint.every_n_train_steps N": "steps between checkpoints",
    "--pictures.every_n_steps N": "steps between picture grids (0: none)",
    "--seed_everything N": "seed of weights and data",
}
"""The dotted options that are asked for most; a test parses each."""

EXAMPLES = {
    "fit": """\
  reenact fit --model {model}
  reenact fit --model {model} --scale tiny --trainer.max_steps 200
  reenact fit --model {model} --data clips --data.root STORE --logger wandb
  reenact fit --ckpt_path last
  reenact fit --weights CHECKPOINT --data clips --data.root STORE""",
    "validate": "  reenact validate --ckpt_path last",
    "test": "  reenact test --ckpt_path runs/{model}/DATE/checkpoints/last.ckpt --data clips --data.root STORE",
    "predict": "  reenact predict --ckpt_path last --data clips --data.root STORE",
}
"""Command -> examples; `{model}` stands for a preset."""


def render_overview() -> str:
    """The page of `reenact --help`."""
    lightning = _render_table(TRAINER_COMMANDS)
    own_commands = _render_table({name: command.summary for name, command in COMMANDS.items()})
    return f"""\
usage: reenact COMMAND [options]

Train, compare and use face-reenactment methods.

Training (PyTorch Lightning's commands):
{lightning}

Data, use, and the rest:
{own_commands}

`reenact COMMAND --help` explains a command. First steps on any machine, with nothing to download:
  reenact fit --model {_first_preset()} --scale tiny

Errors are one sentence and exit code 2; REENACT_TRACEBACK=1 shows where they come from.
"""


def trainer_command(command: str) -> str:
    """The page of `reenact fit --help` and its sisters."""
    options = {
        "--model NAME": "the method: " + _list_presets("model"),
        "--data NAME": "the data set: " + _list_presets("data") + " (default: synthetic)",
        "--scale NAME": _list_presets("scale") + " (default: tiny on the synthetic world, paper on other data)",
        "--trainer NAME": "how to run: " + _list_presets("trainer"),
        "--logger NAME": _list_presets("logger") + " or none (default: csv; the run folder always has metrics.csv)",
        "--out DIR": "run folder (default: runs/MODEL/DATE-TIME)",
        "--ckpt_path last|PATH": "checkpoint to go on from; without --model, its run's settings are used",
        **({"--weights PATH": "checkpoint or export to start a new training from"} if command == "fit" else {}),
        "--allow-package NAME": "package of a method of your own, whose classes checkpoints and files may name",
        "-c, --config FILE": "YAML file with any of these options; later files win",
        "--print_config": "print the settings as YAML and stop",
        "--help-all": "every dotted option of trainer, data, and of the chosen model (imports torch: ten seconds)",
    }
    return f"""\
usage: reenact {command} --model NAME [--data NAME] [--scale NAME] [options]

{TRAINER_COMMANDS[command].capitalize()}.

Names, in any order:
{_render_table(options)}

Often used; dotted options win over every preset and file:
{_render_table(COMMON_OPTIONS)}

Examples:
{EXAMPLES[command].format(model=_first_preset())}
"""


def _first_preset() -> str:
    return next(iter(list_methods()[0].presets))


def _list_presets(kind: str) -> str:
    return ", ".join(presets.preset_names(kind))


def _render_table(rows: dict[str, str]) -> str:
    width = max(len(label) for label in rows)
    return "\n".join(f"  {label:<{width}}  {right}" for label, right in rows.items())

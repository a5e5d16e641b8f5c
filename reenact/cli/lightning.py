"""LightningCLI with the package's classes, names and checks."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from pydoc import locate
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.cli import ArgsType, LightningArgumentParser, LightningCLI
from pytorch_lightning.strategies import DDPStrategy

from reenact.callbacks.checkpoint import Checkpoints
from reenact.callbacks.held_out import HeldOut
from reenact.callbacks.metric_suite import MetricSuite
from reenact.callbacks.metrics_file import MetricsFile, MetricsTail
from reenact.callbacks.partial_transfer import PartialTransfer
from reenact.callbacks.pictures import Pictures
from reenact.callbacks.predictions import PredictedPictures
from reenact.callbacks.progress import progress_bar
from reenact.cli.data_needs import MASKS, REMEDY, check_needs
from reenact.cli.headline import describe_run
from reenact.cli.launching import set_launcher
from reenact.data.datamodules.base import ReenactmentDataModule
from reenact.errors import ReenactError
from reenact.methods.registry import find_foundation, find_method_of_preset
from reenact.metrics.metric_names import list_foreground
from reenact.models.common.checkpoint import check_foundation, check_resumable, load_weights
from reenact.models.common.portrait_module import PortraitModule
from reenact.models.common.rebuild import check_recorded
from reenact.runs import quiet, wandb_key
from reenact.runs.foundations import find_value
from reenact.runs.processes import is_first, share_run_folder
from reenact.runs.request import Request
from reenact.runs.run_folder import hold_run_folder
from reenact.runs.run_record import RunRecord

SEED = 0
"""Runs are the same twice unless another seed is asked for."""


class ReenactCLI(LightningCLI):
    """Parses and builds one run; `start` runs it.

    Args:
        request: The command line, taken apart.
        arguments: The words for the parser, presets expanded.
        claims: Holds the run folder until the caller closes it.
    """

    def __init__(self, request: Request, arguments: Sequence[str], claims: ExitStack) -> None:
        self.request = request
        self._arguments = arguments
        self._resumed: tuple[int, int] | None = None
        self._claims = claims
        super().__init__(
            model_class=PortraitModule,
            datamodule_class=ReenactmentDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_kwargs={"overwrite": True},
            seed_everything_default=SEED,
            parser_kwargs={"exit_on_error": False},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,  # checkpoints hold a method's settings themselves
            args=list(arguments),
        )

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        """Build the parser of the chosen command alone: one above it would check every value once more."""
        self._subcommand_method_arguments: dict[str, list[str]] = {}
        self.parser = self._prepare_subcommand_parser(Trainer, self.request.command, **main_kwargs)
        self._subcommand_parsers = {self.request.command: self.parser}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run folder, checkpoints and pictures, and what follows from other options."""
        parser.add_argument("--out", type=str, help="Run folder.")
        parser.add_argument("--weights", type=str | None, help="Checkpoint or export whose weights fit starts from.")
        parser.add_lightning_class_args(Checkpoints, "checkpoint")
        parser.add_lightning_class_args(Pictures, "pictures")
        parser.add_lightning_class_args(MetricSuite, "metrics")
        if self.request.command in ("test", "predict"):
            parser.add_lightning_class_args(PartialTransfer, "transfer")
        parser.link_arguments("out", "trainer.default_root_dir")
        parser.link_arguments("out", "checkpoint.dirpath", compute_fn=_checkpoint_folder)
        parser.link_arguments(
            "data.face_model", "model.init_args.face_model", compute_fn=self._face_model, apply_on="instantiate"
        )

    def _face_model(self, name: str) -> str:
        """Return the face model of the data; refuse data without one where the method's class takes one."""
        method = locate(str(self.config[self.request.command].model.class_path))
        if not name and "face_model" in inspect.signature(method).parameters:  # type: ignore[arg-type]  # a class
            raise ReenactError(f"the method needs face parameters of every portrait and the data has none; {REMEDY}")
        return name

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse without Lightning's warning about words that do not come from the process."""
        assert isinstance(args, list)
        self.config = Namespace(subcommand=self.request.command)  # type: ignore[no-untyped-call]
        self.config[self.request.command] = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Nothing: Lightning would put a checkpoint's settings over those of the command line."""

    def instantiate_classes(self) -> None:
        """Build data, model and trainer."""
        settings = self.config[self.request.command]
        self.config_init = {self.request.command: self.parser.instantiate_classes(settings)}
        self.datamodule = self._get(self.config_init, "data")
        self.model = self._get(self.config_init, "model")
        self.trainer = self.instantiate_trainer()

    def before_instantiate_classes(self) -> None:
        """Claim the run folder and tell the logger of it."""
        if is_first():
            self._claims.enter_context(hold_run_folder(self.request.out, self.request.resumes))
        logger = self.config[self.request.command].trainer.logger
        if isinstance(logger, Namespace):
            # Absolute: the process of W&B that writes the files stays in the folder in which its first run began.
            logger.init_args.save_dir = str(self.request.out.absolute())
            if not logger.class_path.endswith("WandbLogger"):
                return
            logger.init_args.id = _wandb_id(self.request)
            if not wandb_key.has_key():
                logger.init_args.offline = True
                quiet.LOG.info("wandb: no key found, so this run is kept offline; send it later with `wandb sync`")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401 - Lightning's signature
        """Build the trainer with the loggers and callbacks that every run has."""
        self.datamodule.serve(self.model.needs)
        check_needs(self.model, self.datamodule, self.request.command)
        self._serve_metrics()
        if self.request.command == "fit":
            check_recorded(self.model)
            self._check_foundation()
        self._take_weights()
        config = self._get(self.config_init, "trainer")
        if config.logger is not False:
            others = config.logger if isinstance(config.logger, list) else [config.logger]
            named = [logger for logger in others if logger not in (None, True)]
            kwargs["logger"] = [MetricsFile(self.request.out), *named]
        standard_callbacks: list[Callback] = [
            PredictedPictures(self.request.out / "predictions"),
            MetricsTail(),
            HeldOut(),
            RunRecord(self.request.out, self.request.title),
        ]
        if config.enable_progress_bar is not False and not config.barebones:
            standard_callbacks.append(progress_bar())
        kwargs["callbacks"] = [*(config.callbacks or []), *standard_callbacks]
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError, TypeError) as error:
            raise ReenactError(f"a --trainer option is wrong: {error}") from error
        set_launcher(trainer)
        if config.sync_batchnorm and self.request.command == "fit":
            check_synchronised(trainer)
        return trainer

    def _serve_metrics(self) -> None:
        """Let held-out portraits have masks where metrics read them; raises `ReenactError` for data without any."""
        suite: MetricSuite = self._get(self.config_init, "metrics")
        on_person = list_foreground(suite.list_names())
        if on_person and not self.datamodule.describe().mask:
            raise ReenactError(
                f"--metrics.names: {on_person[0]} is measured on the person and the data has no masks; the synthetic"
                f" world has them: leave out --data, or {MASKS}"
            )
        self.datamodule.tests_with_masks = bool(on_person)

    def _check_foundation(self) -> None:
        """Refuse a network beside the trained one that is of another method or face model than the preset's."""
        foundation = find_foundation(self.request.title)
        path = foundation and find_value(self._arguments, foundation.option)
        method = foundation and find_method_of_preset(foundation.preset)
        if foundation and method and path and foundation.option != "weights":
            check_foundation(Path(str(path)), foundation.option, method.name, self.datamodule.face_model)

    def _take_weights(self) -> None:
        """Load the weights to test or start from; those to go on from are Lightning's to load, and checked here."""
        checkpoint = self.request.names.get("ckpt_path")
        if checkpoint is not None and self.request.command == "fit":
            self._resumed = _read_progress(check_resumable(Path(checkpoint), self.model))
            return
        weights = checkpoint or self._get(self.config_init, "weights")
        if weights is not None:
            load_weights(Path(weights), self.model, any_class=checkpoint is None)

    def is_trained(self) -> bool:
        """Tell if a run to go on with has no step left, and say so."""
        if self._resumed is None:
            return False
        for completed, option in zip(self._resumed, ("max_steps", "max_epochs"), strict=True):
            limit = getattr(self.trainer, option)
            if limit is not None and 0 <= limit <= completed:
                unit = option.removeprefix("max_")
                quiet.LOG.info(
                    "nothing to train: %s is at %d of %d %s; go on with a larger --trainer.%s",
                    self.request.names["ckpt_path"], completed, limit, unit, option,
                )  # fmt: skip
                return True
        return False

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        """Lightning reads a checkpoint itself only to go on from it, and prints no table: `MetricSuite` does."""
        arguments = super()._prepare_subcommand_kwargs(subcommand)
        quiet_table = {"verbose": False} if "verbose" in arguments else {}
        return arguments if subcommand == "fit" else {**arguments, "ckpt_path": None, **quiet_table}

    def _run_subcommand(self, subcommand: str) -> None:
        """Nothing yet: `start` runs it, once the caller holds this object."""

    def start(self) -> None:
        """Say what is about to run, and run it; raises `ReenactError` for a batch that cannot be divided."""
        headline = describe_run(self.request, self.model, self.datamodule, self.trainer)
        if is_first():
            quiet.log_to(self.request.out / "log.txt")
        for line in headline:
            quiet.LOG.info(line)
        with share_run_folder(self.request.out):
            super()._run_subcommand(self.request.command)

    @property
    def held_out(self) -> HeldOut:
        """The trainer's own record; the parser copies callbacks."""
        return next(callback for callback in self.trainer.callbacks if isinstance(callback, HeldOut))  # type: ignore[attr-defined]

    def after_fit(self) -> None:
        """Validate the last step, where training ended between two validations."""
        judged = self.held_out.step == self.trainer.global_step
        if not judged and self.trainer.limit_val_batches and not self.trainer.interrupted:
            self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)


def _read_progress(checkpoint: dict[str, Any]) -> tuple[int, int]:
    """The steps and whole epochs that a checkpoint has behind it."""
    value: Any = checkpoint["loops"]
    for key in ("fit_loop", "epoch_progress", "current", "processed"):
        value = value.get(key) if isinstance(value, dict) else None
    return checkpoint["global_step"], value if type(value) is int else 0


def check_synchronised(trainer: Trainer) -> None:
    """Check that batch norm can be synchronised over the processes of a trainer.

    Raises:
        ReenactError: if they are on CPUs, which PyTorch's `SyncBatchNorm` refuses in the first step.
    """
    if isinstance(trainer.strategy, DDPStrategy) and trainer.strategy.root_device.type == "cpu":
        raise ReenactError(
            "batch norm cannot be synchronised on CPUs: set --trainer.sync_batchnorm false, by which each process"
            " normalises its own share of the batch"
        )


def _wandb_id(request: Request) -> str:
    """Return the id of the run at Weights & Biases: that of the run that goes on, or a new one."""
    if request.resumes and (request.out / "config.yaml").is_file():
        settings = yaml.safe_load((request.out / "config.yaml").read_text(encoding="utf-8"))
        for key in ("trainer", "logger", "init_args", "id"):
            settings = settings.get(key) if isinstance(settings, dict) else None
        if isinstance(settings, str):
            return settings
    return f"r{secrets.token_hex(4)}"  # digits alone would be a number to other readers of config.yaml


def _checkpoint_folder(out: str) -> str:
    return f"{out}/checkpoints"

"""Every method of the zoo at toy size, for the common tests: a new method adds a `Case` and gets them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from reenact.callbacks.metric_suite import MetricSuite
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.faces.registry import load_face_model
from reenact.models.face_vid2vid.module import FaceVid2VidLosses, FaceVid2VidModule
from reenact.models.face_vid2vid.network import FaceVid2VidConfig
from reenact.models.fomm.module import FOMMLosses, FOMMModule
from reenact.models.fomm.network import FOMMConfig
from reenact.models.keypoint_training import DiscriminatorConfig as KeypointDiscriminator
from reenact.models.keypoint_training import KeypointOptimisation
from reenact.models.mmfa.module import MMFALosses, MMFAModule, MMFAOptimisation
from reenact.models.mmfa.network import MMFAConfig
from reenact.models.module import ReenactmentModule
from reenact.models.pwm.module import DiscriminatorConfig, PWMLosses, PWMModule, PWMOptimisation
from reenact.models.pwm.network import PWMConfig

SIZE = 32


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], ReenactmentModule]

    def __str__(self) -> str:
        return self.name


def pwm(guidance: str) -> Case:
    def make() -> PWMModule:
        return PWMModule(
            face_model="head",
            network=PWMConfig(guidance=guidance, widths=[8, 8, 12, 16], code_channels=4),
            discriminator=DiscriminatorConfig([8, 8]),
            losses=PWMLosses(perceptual="pixels"),
            optimisation=PWMOptimisation(generator_lr=5e-3, discriminator_lr=1e-4, milestones=[50]),
        )

    return Case(f"pwm-{guidance}", make)


def fomm(keyed: bool) -> Case:
    def make() -> FOMMModule:
        return FOMMModule(
            network=FOMMConfig(
                keypoints=3, reduction=1, detector_width=4, detector_blocks=2, motion_width=4, motion_blocks=2,
                width=8, bottleneck=1,
            ),
            discriminator=KeypointDiscriminator([8, 8], keyed),
            losses=FOMMLosses(gan=float(keyed), perceptual="pixels"),
            optimisation=KeypointOptimisation(generator_lr=1e-2, discriminator_lr=1e-4, milestones=[50]),
        )  # fmt: skip

    return Case("fomm-adv" if keyed else "fomm", make)


def face_vid2vid() -> Case:
    def make() -> FaceVid2VidModule:
        return FaceVid2VidModule(
            network=FaceVid2VidConfig(
                keypoints=5, reduction=2, detector_width=4, detector_blocks=2, motion_width=4, motion_blocks=1,
                compress=2, width=8, channels=4, depth=2, blocks=1, stem=4, estimator_widths=[8, 8, 16, 16],
            ),
            discriminator=KeypointDiscriminator([8, 8]),
            losses=FaceVid2VidLosses(perceptual="pixels", head_pose=0.0, deformation=0.1, feature_matching=0.0),
            optimisation=KeypointOptimisation(generator_lr=1e-2, discriminator_lr=1e-4, milestones=[50]),
        )  # fmt: skip

    return Case("face_vid2vid", make)


def mmfa(guided: bool = False) -> Case:
    """As the paper has it, or as the tiny preset does."""
    kind, widths = ("maps", [8, 16]) if guided else ("pooled", [8, 8, 16, 16])
    # The pictures have no faces, so landmarks must not weigh much.
    weights = dict.fromkeys(("guide", "guide_changes", "landmarks_face", "landmarks_mouth"), 0.1)
    none = dict.fromkeys(("landmarks_face", "landmarks_mouth", "landmarks_pupils"), 0.0)
    ours = {"invariance": "relative", "landmarks": "probe", **none, **weights} if guided else none

    def make() -> MMFAModule:
        return MMFAModule(
            network=MMFAConfig(
                pose="probe", keypoints=15 if guided else 5, reduction=2, detector_width=4, detector_blocks=2,
                motion_width=4, motion_blocks=1, compress=2, width=8, channels=4, depth=2, blocks=1, stem=4,
                affine=kind, affine_widths=widths, expression=8, encoder=kind, encoder_widths=[8, 16], encoder_side=2,
                decoder_widths=[16],
            ),
            discriminator=KeypointDiscriminator([8, 8]),
            losses=MMFALosses(
                perceptual="pixels", reconstruction_face=0.0, deformation=0.1, feature_matching=0.0, equivariance=0.7,
                **ours,
            ),
            optimisation=MMFAOptimisation(generator_lr=1e-2, discriminator_lr=1e-4, milestones=[50]),
        )  # fmt: skip

    return Case("mmfa-guided" if guided else "mmfa", make)


ZOO = [
    *(pwm(guidance) for guidance in ("both", "displacement", "codes", "nmfc")),
    fomm(False), fomm(True), face_vid2vid(), mmfa(), mmfa(guided=True),
]  # fmt: skip


def portrait(count: int, seed: int, identity: str) -> Portrait:
    """Smooth random pictures with random face parameters of the built-in head."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=draw)
    image = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear", align_corners=False)
    neutral = load_face_model("head").neutral(count)
    params = replace(
        neutral,
        expression=0.5 * torch.randn(neutral.expression.shape, generator=draw),
        shape=0.5 * torch.randn(neutral.shape.shape, generator=draw),
        global_pose=0.2 * torch.randn(count, 3, generator=draw),
        jaw_pose=0.1 * torch.rand(count, 3, generator=draw),
    )
    return Portrait(
        image=2 * image - 1,
        params=params,
        landmarks=torch.rand(count, 68, 2, generator=draw) * SIZE,
        frame=torch.arange(count),
        identity=[identity] * count,
        clip=[f"{identity}/clip{i}" for i in range(count)],
    )


def pair(count: int = 4, seed: int = 0, cross: bool = False) -> PortraitPair:
    return PortraitPair(portrait(count, seed, "a"), portrait(count, seed + 1, "b" if cross else "a"))


class Pairs(pl.LightningDataModule):
    """Fixed batches, in order; the loaders have the names that the package's data modules give them."""

    def __init__(self, batches: int = 2) -> None:
        super().__init__()
        self.batches = [pair(seed=10 * i) for i in range(batches)]
        self.cross = [pair(seed=5, cross=True)]

    def train_dataloader(self) -> DataLoader:
        return loader(self.batches)

    def val_dataloader(self) -> dict[str, DataLoader]:
        return {"self": loader(self.batches[:1]), "cross": loader(self.cross)}

    test_dataloader = val_dataloader
    predict_dataloader = val_dataloader


def loader(batches: list[PortraitPair]) -> DataLoader:
    return DataLoader(batches, batch_size=None)


def trainer(folder, **options) -> pl.Trainer:
    defaults = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    options = {"enable_checkpointing": False, "callbacks": [MetricSuite()], **defaults, **options}
    return pl.Trainer(default_root_dir=folder, **options)

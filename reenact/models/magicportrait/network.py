"""MagicPortrait as a `Reenactor`: a picture or a video is denoised from the reference's features and guidance maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.faces.model import FaceModel
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait
from reenact.models.common.base import Reenactment, ReportProgress, SourceState, Transfer, ignore_progress
from reenact.models.common.parameter_driven import ParameterDriven
from reenact.models.magicportrait.autoencoder import build_autoencoder
from reenact.models.magicportrait.carried import CarriedReader, carry_source
from reenact.models.magicportrait.config import MagicPortraitConfig, Trained
from reenact.models.magicportrait.denoiser import build_denoiser
from reenact.models.magicportrait.guidance_encoder import GuidanceEncoders
from reenact.models.magicportrait.latent_files import LatentFiles, LatentsInMemory
from reenact.models.magicportrait.maps import align_structure, draw_maps
from reenact.models.magicportrait.reference import AppearanceNet, Bank
from reenact.models.magicportrait.sampler import combine_predictions, draw_noise, sample_latents, sample_video
from reenact.nn.whole_batch import BatchDraws

PROMPT_SEED = 0
"""Seed of the embedding of the prompt before that of a text encoder takes its place."""


@dataclass
class MagicPortraitState(SourceState):
    """Everything that the source alone decides."""

    motion: FaceParams
    """Face parameters of the source."""
    image: Tensor
    """(B, 3, H, W) in [-1, 1]."""
    bank: Bank
    """Features of the source."""


@dataclass
class Guidance:
    """Guidance of the denoiser by maps and by the carried source, for clips (B, T)."""

    maps: dict[str, Tensor]
    """(B, T, 3, H, W) maps by their names."""
    features: Tensor
    """(B, C0, T, h, w) features, added to the first convolution's."""
    carried: Tensor | float = 0.0
    """(B, C, T, h, w) latents of the carried source, from which the denoised ones count; 0 where nothing is carried."""


@dataclass
class MagicPortraitReenactment(Reenactment):
    """A result with the maps that guided it."""

    depth: Tensor | None = None
    """(B, 3, H, W) or (B, T, 3, H, W) in [0, 1], as the other maps; None where the network does not read it."""
    normal: Tensor | None = None
    """Normals."""
    render: Tensor | None = None
    """Lit face."""
    landmarks: Tensor | None = None
    """Dots at the landmarks."""
    encoders: GuidanceEncoders | None = None
    """Encoders that read the maps, whose attention `pictures` draws."""

    def pictures(self) -> dict[str, Tensor]:
        """Return the maps, the attention of their encoders (the paper's Fig. 9), and the result."""
        fields = {"depth": self.depth, "normal": self.normal, "render": self.render, "landmarks": self.landmarks}
        maps = {name: image for name, image in fields.items() if image is not None}
        attention = {} if self.encoders is None else self.encoders.draw_attention(maps)
        pictures = {name: 2 * image - 1 for name, image in (maps | attention).items()}
        return {**pictures, **super().pictures()}


class MagicPortrait(ParameterDriven[MagicPortraitState]):
    """Reference, guidance encoders and denoiser around an autoencoder that is not trained.

    Motions are face parameters (B), or clips of them (B, T). Texture and light are always the source's.

    Args:
        config: sizes and sampler.
        face_model: the model whose parameters the portraits carry.
    """

    transfer: ClassVar[Transfer] = Transfer(parts=("pose", "jaw", "expression", "eyes"))
    moving_source = False

    def __init__(self, config: MagicPortraitConfig, face_model: FaceModel) -> None:
        super().__init__()
        rendered = "render" in config.guidance.maps
        if rendered:
            face_model.check_texture()
        self.config = config
        self.face_model = face_model
        self.needs = Contents(
            params=True,
            texture=rendered,
            light=rendered,
            clip_length=config.clip_length if config.temporal else 1,
            clip_stride=config.clip_stride if config.temporal else 1,
        )
        self.autoencoder = build_autoencoder(config)
        self.appearance = AppearanceNet(config.unet)
        self.denoiser = build_denoiser(config)
        self.guidance = GuidanceEncoders(config.guidance, config.unet.channels[0])
        self.carried = CarriedReader(config.unet.latent, config.unet.channels[0]) if config.carried else None
        draw = torch.Generator().manual_seed(PROMPT_SEED)
        self.register_buffer("prompt", torch.randn(1, config.prompt_tokens, config.unet.prompt_width, generator=draw))
        self.prompt: Tensor

    def encode(self, source: Portrait) -> MagicPortraitState:
        """Features of the source, rounded as the sampler's settings say.

        Raises:
            ReenactError: if the source lacks face parameters, or the networks can't read its size.
        """
        self.check_size(source.image)
        bank = self.appearance(self.autoencoder.encode(source.image), self.prompt)
        if self.config.sampling.bank_precision == "float16":
            bank = tuple(tokens.half() for tokens in bank)
        return MagicPortraitState(motion=self.read(source), image=source.image, bank=bank)

    @torch.no_grad()
    def perform(
        self, state: MagicPortraitState, motion: FaceParams, random: BatchDraws | None = None
    ) -> MagicPortraitReenactment:
        """Sample pictures (B), each as the first frame of a video, or whole clips (B, T).

        The noise is that of the sampler's seed; training draws its own and samples nothing.
        """
        clip = motion if len(motion.leading) == 2 else motion.split(1)
        count, frames = clip.leading
        guidance = self.guide(state, clip)
        sampling = self.config.sampling
        noise = self._draw_noise(range(frames), self._latent_shape(state.image))
        noise = noise.to(state.image.device).expand(count, -1, -1, -1, -1)
        latents = sample_latents(
            lambda noisy, timestep, chosen: self._predict(state.bank, noisy, timestep, guidance.features[:, :, chosen]),
            noise,
            sampling,
        )
        latents = latents + guidance.carried
        image = self._decode(latents.transpose(1, 2).flatten(0, 1)).view(count, frames, *state.image.shape[1:])
        maps = guidance.maps
        if len(motion.leading) == 1:
            image, maps = image[:, 0], {name: values[:, 0] for name, values in maps.items()}
        return MagicPortraitReenactment(image, **maps, encoders=self.guidance)

    @torch.no_grad()
    def play(
        self,
        frames: Iterable[tuple[MagicPortraitState, FaceParams]],
        progress: ReportProgress = ignore_progress,
        work: Path | None = None,
    ) -> Iterator[MagicPortraitReenactment]:
        """Sample the frames of a video together; the first stage, which knows nothing of time, one by one.

        The latents lie in files in `work`, from which an interrupted run goes on, or in main memory where there is no
        `work`. The device holds one window at a time, whatever the length of the video.
        """
        if not self.config.temporal:
            for state, motion in frames:
                yield self.perform(state, motion)
            return
        pieces = [(state, motion.to("cpu")) for state, motion in frames]
        if not pieces:
            return
        state = pieces[0][0]  # the source is still
        whole, device = FaceParams.cat([motion for _, motion in pieces]), state.image.device

        def predict(noisy: Tensor, timestep: Tensor, chosen: list[int]) -> Tensor:
            guidance = self.guide(state, whole[torch.tensor(chosen)].map(lambda value: value[None]).to(device))
            return self._predict(state.bank, noisy.to(device), timestep.to(device), guidance.features).to(noisy.device)

        store = LatentsInMemory() if work is None else LatentFiles(work)
        count, shape = len(whole.camera), self._latent_shape(state.image)
        sampling = self.config.sampling
        draw = partial(self._draw_noise, shape=shape)
        size = (1, shape[0], count, *shape[1:])
        latents = sample_video(predict, draw, size, sampling, store, progress)[0].transpose(0, 1)
        for start in range(0, count, sampling.decode_chunk):
            part = slice(start, start + sampling.decode_chunk)
            motion = whole[part].to(device)
            aligned = align_structure(state.motion, motion)
            maps = draw_maps(self.face_model, aligned, state.image.shape[-1], self.config.guidance.maps)
            carried = 0.0 if self.carried is None else self._carry(state.image, state.motion, motion)
            image = self._decode(latents[part].to(device) + carried)
            yield MagicPortraitReenactment(image, **maps, encoders=self.guidance)

    def guide(self, state: MagicPortraitState, clip: FaceParams) -> Guidance:
        """Draw and encode what guides clips (B, T), see `guide_from`."""
        return self.guide_from(state.image, state.motion, clip)

    def guide_from(self, image: Tensor, source: FaceParams, clip: FaceParams) -> Guidance:
        """Draw and encode the maps of clips (B, T) from source pictures (1 or B, 3, H, W) and their parameters."""
        size = image.shape[-1]
        maps = draw_maps(self.face_model, align_structure(source, clip).merged(), size, self.config.guidance.maps)
        features, carried = self.guidance(maps), None
        if self.carried is not None:
            carried = self._carry(image, source, clip.merged())
            unmoved = self.autoencoder.encode(image).repeat_interleave(len(carried) // len(image), 0)
            features = features + self.carried(carried, unmoved)

        def split(flat: Tensor) -> Tensor:
            return flat.view(*clip.leading, *flat.shape[1:]).transpose(1, 2)

        return Guidance(
            maps={name: value.reshape(*clip.leading, 3, size, size) for name, value in maps.items()},
            features=split(features),
            carried=0.0 if carried is None else split(carried),
        )

    def _carry(self, image: Tensor, source: FaceParams, driving: FaceParams) -> Tensor:
        """Return latents (N, C, h, w) of sources (1 or B), carried to driving faces (N), as many for each of them."""
        frames = len(driving.camera) // len(image)
        repeated = source.map(lambda value: value.repeat_interleave(frames, 0))
        picture = carry_source(self.face_model, image.repeat_interleave(frames, 0), repeated, driving)
        return self.autoencoder.encode(picture)

    def check_size(self, image: Tensor) -> None:
        """Raise `ReenactError` if the networks can't read pictures of this size."""
        height, width = image.shape[-2:]
        stride = self.config.stride
        if height != width or height % stride:
            raise ReenactError(
                f"{type(self).__name__} needs square images whose sides are multiples of {stride}, not {width}x{height}"
            )

    def _latent_shape(self, image: Tensor) -> tuple[int, int, int]:
        """Return the shape (C, h, w) of the latents of a frame."""
        side = image.shape[-1] // self.config.factor
        return self.config.unet.latent, side, side

    def _draw_noise(self, frames: Sequence[int], shape: tuple[int, int, int]) -> Tensor:
        """Draw the noise (1, C, F, h, w) with which frames of these numbers begin."""
        sampling = self.config.sampling
        return sampling.temperature * draw_noise(sampling.seed, frames, shape, sampling.shared_noise)

    def _predict(self, bank: Bank, latents: Tensor, timestep: Tensor, features: Tensor) -> Tensor:
        """Predict velocities with classifier-free guidance, which leaves the reference out and keeps the maps."""
        guided: Tensor = self.denoiser(latents, timestep, self.prompt, features, bank)
        scale = self.config.sampling.guidance
        if scale == 1:
            return guided
        plain: Tensor = self.denoiser(latents, timestep, self.prompt, features, None)
        return combine_predictions(plain, guided, scale)

    def _decode(self, latents: Tensor) -> Tensor:
        chunk = self.config.sampling.decode_chunk
        starts = range(0, len(latents), chunk)
        return torch.cat([self.autoencoder.decode(latents[at : at + chunk]) for at in starts]).clamp(-1, 1)


def choose_trained(network: MagicPortrait, part: Trained) -> None:
    """Let the weights of a part be trained, and freeze the others; what no result depends on stays frozen."""
    for name, parameter in network.named_parameters():
        is_temporal = ".motion_modules." in name
        parts = {
            "image": not is_temporal,
            "temporal": is_temporal,
            "denoiser": name.startswith("denoiser."),
            "all": True,
        }
        parameter.requires_grad_(parameter.requires_grad and parts[part])

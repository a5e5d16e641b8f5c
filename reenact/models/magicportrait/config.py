"""Settings of MagicPortrait: sizes of its networks, and of the sampler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reenact.errors import ReenactError

Fusion = Literal["concatenate", "add"]
"""Rule by which the denoiser reads the reference. `concatenate`, the released code: keys and values of self-attention
are those of the frame and of the reference. `add`, the paper's text: the reference's features are added to the frame's
before self-attention."""
MapKind = Literal["depth", "normal", "render", "landmarks"]
"""Picture of the posed mesh that guides the denoiser."""
Betas = Literal["linear", "scaled_linear"]
"""Rule of diffusers' schedulers from the first to the last noise of a step."""
Precision = Literal["float16", "float32"]
AutoencoderKind = Literal["stable_diffusion", "cosines"]
"""`stable_diffusion`: its autoencoder, stored apart from the checkpoints (the asset `sd-vae-ft-mse`). `cosines`: the
lowest frequencies of every square as channels, which needs no training."""
EncoderKind = Literal["convolutions", "clip", "small_clip"]
"""Encoder of a map. `convolutions`: the paper's. `clip`: CLIP's image encoder, not trained and stored apart from the
checkpoints (the asset `clip-vit-large-patch14`), whose patches are projected. `small_clip`: a small network of the same
class, which is trained with the rest."""
Trained = Literal["image", "temporal", "denoiser", "all"]
"""Part that is trained: everything but the motion modules, these alone, the denoiser with them, or everything."""
TIMESTEPS = 1000
"""Steps of the noise schedule."""


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Sizes that AppearanceNet and the denoiser share; defaults are those of Stable Diffusion 1.5."""

    channels: list[int] = field(default_factory=lambda: [320, 640, 1280, 1280])
    """Channels of the levels, each at half the size of the one before; all but the last have attention."""
    layers: int = 2
    """Residual layers of a level on the way down; one more on the way up."""
    heads: int = 8
    """Heads of every attention."""
    groups: int = 32
    """Groups of normalisation."""
    latent: int = 4
    """Channels of the latents."""
    prompt_width: int = 768
    """Length of each token of the prompt."""
    motion_length: int = 32
    """Longest window of the motion modules."""


@dataclass(frozen=True, kw_only=True)
class GuidanceConfig:
    """Encoders of the guidance maps, one for each."""

    maps: list[MapKind] = field(default_factory=lambda: ["depth", "normal", "render"])
    """Maps that are drawn and encoded."""
    encoder: EncoderKind = "convolutions"
    """Network that encodes a map (the paper's Table IV)."""
    widths: list[int] = field(default_factory=lambda: [16, 32, 96, 256])
    """Channels at full size and after each halving, down to the size of the latents; `small_clip` has the last."""
    attention: bool = True
    """Self-attention after the convolutions; False puts two convolutions in its place (the paper's Table IV)."""
    heads: int = 8
    """Heads of the self-attention."""
    groups: int = 32
    """Groups of its normalisation."""

    def __post_init__(self) -> None:
        """Raise `ReenactError` where nothing would guide, or a map is named twice."""
        if not self.maps or len(set(self.maps)) < len(self.maps):
            raise ReenactError(
                f"--model.network.guidance.maps {self.maps} must name one map or several, each once: choose from depth,"
                " normal, render, landmarks"
            )


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Settings of the sampler; defaults are those of the released code."""

    seed: int = 42
    """Seed of the noise; every frame draws its own from it and its number."""
    shared_noise: float = 0.0
    """Share of the noise's power that is the same in all frames of a video, in training too; released: none."""
    temperature: float = 1.0
    """Standard deviation of the noise that a video begins with; less gives smoother samples. Released: 1."""
    steps: int = 20
    """Steps of DDIM."""
    guidance: float = 3.5
    """Scale of classifier-free guidance, which strengthens the reference; 1 is none and halves the time."""
    window: int = 12
    """Frames that are denoised together."""
    overlap: int = 1
    """Frames that neighbouring windows share; their predictions are averaged."""
    wrap: bool = True
    """Fill the last window up with the first frames, as the released code does; False shifts it back instead."""
    decode_chunk: int = 8
    """Frames that the autoencoder decodes together."""
    bank_precision: Precision = "float16"
    """Precision to which the reference's features are rounded; the released code rounds whatever the network's is."""
    betas: Betas = "linear"
    """Noise of the steps; the released code samples with another than Champ's, whose training it takes, trains with."""

    def __post_init__(self) -> None:
        """Raise `ReenactError` for numbers that no video can be sampled with."""
        if not 1 <= self.steps <= TIMESTEPS:
            raise ReenactError(f"--set network.sampling.steps={self.steps} must be from 1 to {TIMESTEPS}")
        if self.window < 1 or not 0 <= self.overlap < self.window:
            raise ReenactError(
                f"--set network.sampling.overlap={self.overlap} must be from 0 to less than the window of"
                f" {self.window} frames (network.sampling.window)"
            )
        if not 0 <= self.shared_noise <= 1:
            raise ReenactError(f"--set network.sampling.shared_noise={self.shared_noise} must be from 0 to 1")
        if not 0 <= self.temperature <= 1:
            raise ReenactError(f"--set network.sampling.temperature={self.temperature} must be from 0 to 1")
        if self.guidance < 1:
            raise ReenactError(f"--set network.sampling.guidance={self.guidance} must be 1 (none) or more")
        if self.decode_chunk < 1:
            raise ReenactError(f"--set network.sampling.decode_chunk={self.decode_chunk} must be 1 or more")


@dataclass(frozen=True, kw_only=True)
class MagicPortraitConfig:
    """The whole network; defaults are those of the second stage of the released code."""

    temporal: bool = True
    """Motion modules, which see the frames of a window together; False is the first stage, a method of pictures."""
    clip_length: int = 12
    """Frames of a training clip, of the second stage."""
    clip_stride: int = 4
    """Frames from one of them to the next."""
    fusion: Fusion = "concatenate"
    """Rule by which the denoiser reads the reference."""
    autoencoder: AutoencoderKind = "stable_diffusion"
    """Autoencoder between pictures and latents."""
    frequencies: list[int] = field(default_factory=lambda: [8, 8])
    """Frequencies along each side of a square that `cosines` keeps: of brightness, and of each of two colours."""
    latent_scale: float = 1.0
    """Factor on the latents of `cosines`."""
    carried: bool = False
    """Denoise differences to the source carried along the mesh, which the denoiser reads too: ours, for `cosines`."""
    clean: bool = False
    """The UNet predicts clean latents, from which the velocity is computed: noise need not pass through it. Ours."""
    prompt_tokens: int = 77
    """Tokens of the prompt, whose embedding is the same for all pictures."""
    unet: UNetConfig = field(default_factory=UNetConfig)
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        """Raise `ReenactError` for sizes that don't fit each other."""
        latent = self._count_channels()
        if self.unet.latent != latent:
            raise ReenactError(
                f"--model.network.unet.latent {self.unet.latent} must be {latent}, the channels of the autoencoder"
                f" {self.autoencoder} at 1 / {self.factor} of the picture"
            )
        if self.autoencoder == "stable_diffusion" and self.factor != 8:
            raise ReenactError(
                f"--model.network.guidance.widths {self.guidance.widths} halve {len(self.guidance.widths) - 1} times:"
                " give four widths, since Stable Diffusion's latents are an eighth of the picture"
            )
        if self.carried and self.autoencoder != "cosines":
            raise ReenactError(
                f"--model.network.carried true is for the autoencoder cosines, not {self.autoencoder}: set it to false"
            )
        if self.temporal and not 1 <= max(self.clip_length, self.sampling.window) <= self.unet.motion_length:
            raise ReenactError(
                f"--model.network.clip_length {self.clip_length} and --model.network.sampling.window"
                f" {self.sampling.window} must be at most --model.network.unet.motion_length {self.unet.motion_length}"
            )

    def _count_channels(self) -> int:
        """Return the channels of the autoencoder's latents."""
        if self.autoencoder == "stable_diffusion":
            return 4
        if len(self.frequencies) != 2 or not all(1 <= count <= self.factor for count in self.frequencies):
            raise ReenactError(
                f"--model.network.frequencies {self.frequencies} must be two numbers, of brightness and of colours,"
                f" from 1 to {self.factor}, the side of a square"
            )
        brightness, colours = self.frequencies
        return brightness**2 + 2 * colours**2

    @property
    def factor(self) -> int:
        """Side of the square of pixels that a place of the latents stands for."""
        return int(2 ** (len(self.guidance.widths) - 1))

    @property
    def stride(self) -> int:
        """Number of which the sides of pictures are multiples."""
        return int(self.factor * 2 ** (len(self.unet.channels) - 1))

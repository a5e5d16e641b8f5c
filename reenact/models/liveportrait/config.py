"""Settings of LivePortrait's network."""

from __future__ import annotations

from dataclasses import dataclass, field

from reenact.models.common.volume import AppearanceConfig
from reenact.models.liveportrait.motion import KEYPOINTS


@dataclass(frozen=True, kw_only=True)
class LivePortraitConfig(AppearanceConfig):
    """Size of the network and its way of moving; defaults are `src/config/models.yaml` of the official code."""

    keypoints: int = KEYPOINTS
    """Number of keypoints; regions and sliders are those of the released weights' 21."""
    depths: list[int] = field(default_factory=lambda: [3, 3, 9, 3])
    """Blocks of each stage of the motion extractor."""
    widths: list[int] = field(default_factory=lambda: [96, 192, 384, 768])
    """Channels of each stage of the motion extractor."""
    places: int = 0
    """Learned maps of the motion extractor whose centres of mass are read too; 0, as published, for none."""
    place_channels: int = 0
    """Features that are read at each of these centres (not the paper's)."""
    decoder_width: int = 64
    """Channels of the decoder after its doublings."""
    spade_hidden: int = 128
    """Channels inside a layer of the decoder."""
    upscale: int = 2
    """Size of the result over that of the pictures that the networks read."""
    painting: int = 0
    """Channels of the layers that paint on the moved source (not the paper's); 0 draws all of the picture anew."""
    side: int | None = None
    """Side in pixels of the pictures that it is made for; data of another size are refused. None: any."""
    stitching: bool = True
    """Let the stitching network keep the shoulders where the source has them."""
    calm_lips: bool = False
    """Close the open lips of a source before it takes relative motion (`flag_normalize_lip`)."""
    follow_eyes: bool = False
    """Open the eyes as far as the driving face's left one (`flag_eye_retargeting`)."""
    follow_lips: bool = False
    """Open the lips as far as the driving face's (`flag_lip_retargeting`)."""
    smoothing: float = 0.0
    """Variance of the noise that is smoothed out of the motion of a source video, all of whose frames are then held in
    memory (`driving_smooth_observation_variance`); 0: none."""
    first_eyes: bool = False
    """Open the eyes of a source video as far as in its first frame (`flag_source_video_eye_retargeting`)."""
    multiplier: float = 1.0
    """Factor on the way of every keypoint from the source, after stitching (`driving_multiplier`)."""

    @property
    def stride(self) -> int:
        """Images must have sides that are multiples of this."""
        stride: int = self.upscale * max(super().stride, 4 * 2 ** (len(self.widths) - 1))
        return stride

"""MMFA's expression VAE: expression features to sample and to go between (arXiv 2603.04302, section 3.3)."""

from reenact.models.mmfa_vae.module import MMFAVAEModule

__all__ = ["MMFAVAEModule"]

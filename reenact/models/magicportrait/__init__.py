"""MagicPortrait: latent video diffusion guided by renders of FLAME (arXiv 2504.21497)."""

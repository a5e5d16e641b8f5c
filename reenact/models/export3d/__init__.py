"""Export3D: tri-planes conditioned on expression (ECCV 2024, arXiv 2404.00636)."""

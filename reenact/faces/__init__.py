"""Face geometry: parameters, face models, cameras, rasteriser, guidance, fitting."""

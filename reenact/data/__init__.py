"""Video files, stores, preparation, sampling, datamodules, the synthetic world."""

"""The contracts of all methods, and the training, checkpoints and conversion that methods share."""

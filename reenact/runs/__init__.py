"""Runs of commands: presets, expansion of the command line, run folders and processes."""

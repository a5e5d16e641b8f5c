"""The stages of `prepare`. Each class of this folder is one: a file that is added here is a stage that is run."""

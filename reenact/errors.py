"""The one error type that reaches a person as a single sentence."""


class ReenactError(Exception):
    """Bad input: the message names the file or option and the remedy.

    The command line prints the message alone and exits with code 2; from Python it is raised as it is.
    """

"""Measure the CPU seconds before a command's first words: help pages, lists, and refusals of wrong names.

    python benchmarks/startup.py [--runs 3] [--check]

Each command runs in a process of its own; the least of the runs counts. `--check` exits with 1 where one is over its
limit. Limits are CPU seconds, which depend less on what else the machine does than the time on the clock.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

LIMIT = 2.0
COMMANDS = (
    "--help",
    "fit --help",
    "animate --help",
    "edit --help",
    "evaluate --help",
    "prepare --help",
    "benchmark --help",
    "pairs --help",
    "weights --help",
    "doctor --help",
    "list",
    "weights list",
    "benchmark --list",
    "fit --model no_such_preset",
    "animate --no-such-option",
    "evaluate --no-such-option",
    "no_such_command",
)


def measure_cpu_seconds(words: list[str]) -> float:
    """User and system seconds of a process that runs one command line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "reenact", *words], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--check", action="store_true", help=f"exit with 1 where a command needs over {LIMIT:g} s")
    options = parser.parse_args()
    slow = []
    for command in COMMANDS:
        seconds = min(measure_cpu_seconds(command.split()) for _ in range(options.runs))
        print(f"reenact {command:<28} {seconds:5.2f} s")
        if seconds > LIMIT:
            slow.append(command)
    sys.exit(options.check and bool(slow))


if __name__ == "__main__":
    main()

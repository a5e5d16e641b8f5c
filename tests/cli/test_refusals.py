"""One sentence and exit code 2 for what the parser, the data and the method refuse; nothing is left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reenact.cli.commands import COMMANDS
from reenact.cli.functions import build_parser, spell_options
from reenact.cli.signatures import read_signature


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--trainer.max_stepz 5", "--trainer.max_stepz: no such option; did you mean --trainer.max_steps"),
        ("--model.lrr 5", "--model.lrr: no such option; did you mean --model.lr"),
        ("--model.widths.chanels 3", "--model.widths.chanels: no such option; did you mean --model.widths.channels"),
        ("--data.bach_size=3", "--data.bach_size: no such option; did you mean --data.batch_size"),
        ("--picture.every_n_steps 3", "--picture.every_n_steps: no such option; did you mean --pictures.every_n_steps"),
        ("--qqq", "--qqq: no such option; --help lists the options"),
        ("extra", "extra: a word that belongs to no option"),
        ("--trainer.max_steps abc", "--trainer.max_steps: expected int, got 'abc'"),
        ("--trainer.max_steps=abc", "--trainer.max_steps: expected int, got 'abc'"),
        ("--model.widths.channels x", "--model.widths.channels: expected int, got 'x'"),
        ("--model.init_args.lr x", "--model.init_args.lr: expected float, got 'x'"),
        ("--model.widths 3", "--model.widths: holds several settings; give them as --model.widths.NAME, got '3'"),
        ("--trainer.precision 17", "--trainer.precision: expected one of 64, 32, 16, "),
        ("--trainer.accelerator abacus", "a --trainer option is wrong: You selected an invalid accelerator"),
        ("--data.size", "--data.size: a value is missing"),
        ("--model no.such.Class", "--model no.such.Class: no class for this; give a preset's name or a class path"),
        ("--model collections.Nope", "--model collections.Nope: no class for this"),
        ("-c bad_key.yaml", "model.lrr (in a configuration file): no such option; did you mean --model.lr"),
        ("-c old_clips.yaml", "data.clip_length (in a configuration file): no such option"),
        ("-c bad_value.yaml", "trainer.max_steps (in a configuration file): expected int, got 'many'"),
        ("-c bad_class.yaml", "bad_class.yaml: data.class_path must be the path of a class, not 3"),
        ("--data demanding", "missing: --data.root; --help explains the options"),
        ("--data.batch_size 0", "--data.batch_size 0 must be at least 1"),
        ("--model needy", "NeedyMethod needs face parameters and light of every portrait and the data has none"),
        ("--out taken", "--out taken: the folder is not empty"),
        ("--out file", "--out file: is a file"),
        ("--out file/run", "--out file/run: cannot be written"),
    ],
)
def test_refused_in_one_sentence(place, refuse, words, sentence):
    (place / "bad_key.yaml").write_text("model: {init_args: {lrr: 1}}\n")
    (place / "old_clips.yaml").write_text("data: {init_args: {clip_length: 1}}\n")
    (place / "bad_value.yaml").write_text("trainer: {max_steps: many}\n")
    (place / "bad_class.yaml").write_text("data: {class_path: 3}\n")
    (place / "file").touch()
    (place / "taken").mkdir()
    (place / "taken" / "something").touch()
    before = sorted(place.rglob("*"))
    assert refuse("fit", "--model", "standin", *words.split()).startswith(sentence)
    assert sorted(place.rglob("*")) == before


def test_what_a_command_of_ours_lacks_is_named_as_it_is_given(refuse):
    assert refuse("export") == "missing: CHECKPOINT, --out; --help explains the options"
    assert refuse("export", "x.ckpt") == "missing: --out; --help explains the options"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("prepare x --max-error 0", "--max-error 0.0 must be more than 0"),
        ("prepare x --max_error=0", "--max_error 0.0 must be more than 0"),
        ("prepare x --face-index -1", "--face-index -1 must be at least 0"),
        ("prepare x --face_index -1 --max-error 1", "--face_index -1 must be at least 0"),
    ],
)
def test_an_option_of_a_command_of_ours_is_named_as_it_was_typed(place, refuse, words, sentence):
    assert refuse(*words.split(), "--out", "store").startswith(sentence)


def test_short_names_of_options_are_named_in_the_complaint_alone():
    command = COMMANDS["edit"]
    message = "--out x.mp4 exists; name another --out, fit --data.size 3, or pass --overwrite with --face_index"
    spelled = spell_options(message, command, read_signature(command.function), ["-o", "x.mp4"])
    assert spelled == message.replace("--out", "-o", 1).replace("--face_index", "--face-index")


OTHERS = {"--ckpt_path", "--print_config", "--seed_everything", "--find_best_frame"}
"""Options with `_` in their names: Lightning's, and one of an official program."""
UNDERSCORED = re.compile(r"(?<![\w-])--[a-z]+(?:_[a-z]+)+(?![\w.])")


def texts() -> Iterator[tuple[str, str]]:
    """Sources, pages and help pages by name."""
    root = Path(__file__).resolve().parents[2]
    for pattern in ("reenact/**/*.py", "docs/**/*.md", "*.md", "examples/*.py", "benchmarks/**/*.py", "Makefile"):
        yield from ((str(path.relative_to(root)), path.read_text(encoding="utf-8")) for path in root.glob(pattern))
    for name, command in COMMANDS.items():
        yield f"{name} --help", build_parser(name, command, read_signature(command.function)).format_help()


def test_messages_pages_and_help_spell_options_with_hyphens():
    assert UNDERSCORED.findall("--face_index, --data.batch_size 3, --ckpt_path=x") == ["--face_index", "--ckpt_path"]
    places = [f"{name} {option}" for name, text in texts() for option in set(UNDERSCORED.findall(text)) - OTHERS]
    assert places == []

"""One sentence for each complaint of the option parser, with the near names where a name is wrong.

The parser nests its complaints: a key, the class behind it, a key of that class, ... and the reason at the end, with
the types of every union on the way. What a person needs is the whole key, the reason and the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from reenact.errors import ReenactError, suggest_names
from reenact.packages import OPTION

_UNKNOWN = (
    re.compile(r"unrecognized arguments: (?P<name>\S+)"),
    re.compile(r"Option '(?P<name>[^']+)' is not accepted"),
    re.compile(r"Key '(?P<name>[^']+)' is not expected"),
)
_CLASS = re.compile(r"Problem with given class_path '(?P<path>[^']+)'")
_DENIED = re.compile(r"Importing '(?P<path>[^']+)' is not allowed, denied by")
_NO_CLASS = re.compile(
    r"Problem with given class_path '(?P<path>[^']+)':\s*"
    r"(?:module|No module|Unable|Import|'[^']+' is not a subclass|[\w.]+ is not a subclass)"
)
_NO_PATH = re.compile(r"Expected a path but (?P<path>\S+) either not accessible or invalid")
_REQUIRED = re.compile(r"arguments are required: (?P<names>.*)")
_KEY = re.compile(r'(?:Parser )?[Kk]ey "(?P<key>[^"]+)"')
_EXPECTED = re.compile(r"Expected an? (?P<type>[^\n]+?)(?=\. Got value|\n|$)")
_GOT = re.compile(r"Got value: (?P<value>.*)|Given value: (?P<given>.*)")
_ONE_OF = "one of "

Known = Callable[[str | None], Iterable[str]]
"""From a class path (or None for the parser itself) to the dotted names it knows."""


def from_parser(message: str, options: Known, arguments: list[str], by_place: Collection[str] = ()) -> ReenactError:
    """Translate a parser's complaint.

    Args:
        message: The complaint, often of many lines.
        options: Gives the names to suggest.
        arguments: The command line, to tell options from keys of a configuration file.
        by_place: What is given without an option.
    """
    keys = [match.group("key") for match in _KEY.finditer(message)]
    denied = _DENIED.search(message)
    if denied:
        path = denied.group("path")
        return ReenactError(
            f"--{'.'.join(keys)}: {path} is of a package that nobody has named; if you trust it, add {OPTION}"
            f" {path.partition('.')[0]}"
        )
    missing = _NO_CLASS.search(message) or (len(keys) == 1 and _NO_PATH.search(message))
    if missing:
        return ReenactError(
            f"--{'.'.join(keys)} {missing.group('path')}: no class for this; give a preset's name or a class path"
        )
    for pattern in _UNKNOWN:
        matched = pattern.search(message)
        if matched:
            name = matched.group("name").removeprefix("--").partition("=")[0]
            return _unknown_name_error(".".join([*keys, name]), message, options, arguments)
    required = _REQUIRED.search(message)
    if required:
        names = [name.removeprefix("--") for name in required.group("names").split(", ")]
        spelled = [name.upper() if name in by_place else f"--{'.'.join([*keys, name])}" for name in names]
        return ReenactError(f"missing: {', '.join(spelled)}; --help explains the options")
    if "expected one argument" in message:
        return _without_value(message, arguments)
    if keys and _EXPECTED.search(message):
        return _wrong_value(".".join(keys), message, arguments)
    return ReenactError(" ".join(message.split()))


def _unknown_name_error(name: str, message: str, options: Known, arguments: list[str]) -> ReenactError:
    if name in arguments and f"--{name}" not in arguments:
        return ReenactError(f"{name}: a word that belongs to no option; options start with --")
    class_path = _CLASS.search(message)
    group = name.partition(".")[0]
    candidates = [f"--{group}.{other}" for other in options(class_path.group("path"))] if class_path else []
    candidates += [f"--{other}" for other in options(None)]
    return ReenactError(f"{_spell_option(name, arguments)}: no such option; {_suggest_near(f'--{name}', candidates)}")


def _suggest_near(name: str, candidates: list[str]) -> str:
    advice = suggest_names(name, candidates)
    if advice.startswith("did you mean"):
        return advice
    siblings = [other for other in candidates if "." in name and other.startswith(name.rpartition(".")[0] + ".")]
    return f"known: {', '.join(siblings)}" if siblings else "--help lists the options"


def _without_value(message: str, arguments: list[str]) -> ReenactError:
    for word, following in zip(arguments, [*arguments[1:], "--"], strict=True):
        if word.startswith("--") and "=" not in word and following.startswith("--"):
            return ReenactError(f"{word}: a value is missing")
    return ReenactError(" ".join(message.split()))


def _wrong_value(key: str, message: str, arguments: list[str]) -> ReenactError:
    got = [match.group("value") or match.group("given") for match in _GOT.finditer(message)]
    value = re.sub(r"^NestedArg\(key='[^']*', val=(.*)\)$", r"\1", got[0].strip()) if got else ""
    value_text = repr(value.strip("'\""))
    if "dot import path string" in message:
        return ReenactError(
            f"{_spell_option(key, arguments)}: holds several settings; give them as --{key}.NAME, got {value_text}"
        )
    # The unions of the outer keys follow the reason; only a complaint about one key has its whole union to itself.
    types = [_describe_type(match.group("type")) for match in _EXPECTED.finditer(message)]
    if "class_path" in message:
        types = types[:1]
    expected = _join_types([kind for kind in types if kind != "NoneType"])
    if value.strip("'\"") in arguments and not any(
        _bare_name(word.partition("=")[0]) == _bare_name(key) for word in arguments
    ):
        return ReenactError(f"{value_text}: expected {expected}")
    return ReenactError(f"{_spell_option(key, arguments)}: expected {expected}, got {value_text}")


def _spell_option(key: str, arguments: list[str]) -> str:
    """The option as it was typed, or the key of the file it stands in."""
    for word in arguments:
        option = word.partition("=")[0]
        if option.startswith("--") and _bare_name(option) == _bare_name(key):
            return option
    return f"{key} (in a configuration file)"


def _bare_name(name: str) -> str:
    return name.removeprefix("--").replace(".init_args.", ".").replace("-", "_")


def _describe_type(annotation: str) -> str:
    annotation = re.sub(r"<class '(?:[\w.]*\.)?(\w+)'>", r"\1", annotation.strip())
    annotation = re.sub(r"(?:typing\.)?Literal\[([^\]]*)\]", lambda match: _one_of(match.group(1)), annotation)
    return annotation.replace("typing.", "")


def _join_types(types: list[str]) -> str:
    """Types as one phrase; the choices of several lists as one list."""
    choices = [choice for kind in types if kind.startswith(_ONE_OF) for choice in kind[len(_ONE_OF) :].split(", ")]
    others = [kind for kind in types if not kind.startswith(_ONE_OF)]
    listed = [_ONE_OF + ", ".join(dict.fromkeys(choices))] if choices else []
    return " or ".join(dict.fromkeys([*listed, *others]))


def _one_of(choices: str) -> str:
    return _ONE_OF + ", ".join(choice.strip().strip("'\"") for choice in choices.split(","))

"""Text of `config.yaml` that reads back as the same values."""

from __future__ import annotations

import re

import yaml


class SettingsDumper(yaml.SafeDumper):
    """Dumper that quotes text such as `1e5`, which jsonargparse reads as a number and YAML 1.1 does not."""


SettingsDumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def dump_settings(values: object) -> str:
    """Write values as YAML, in their order."""
    text: str = yaml.dump(values, Dumper=SettingsDumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    return text

"""Imports of other distributions' rules: AlmaLinux's autopatch YAML and srpmproc's directives.

Both give the data that :mod:`buildfarm.adapters.debrand.rule_files` reads from a rule file, so an
imported rule is applied directly, or written (:func:`convert`) with its files; the result is the
same. Nothing is guessed: a directive that does not concern the sources (a branch to push to, a
tag's prefix) becomes a note, an unknown one is an error.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from buildfarm.adapters.debrand.rule_actions import Files
from buildfarm.adapters.debrand.rule_files import rule_of, validate
from buildfarm.domain.debrand.rule import Rule
from buildfarm.errors import InputError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A rule's data (schema 1), the ``folder`` of its files, and notes on ignored directives."""

    data: Json
    file: Path
    folder: Path
    notes: tuple[str, ...] = field(default=())

    def rule(self, *, lenient: bool = False) -> Rule:
        """Return the rule, to be applied directly. :raises ConfigError: a file cannot be read."""
        validate(self.data, self.file)
        return rule_of(self.data, file=self.file.name, files=Files(self.folder, lenient=lenient))


class _Writer(yaml.SafeDumper):
    """Writes multi-line text as YAML block scalars."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = (
        "|"
        if "\n" in text and not any(line != line.rstrip() for line in text.split("\n"))
        else None
    )
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)


def convert(imported: Imported, folder: Path) -> Path:
    """Write the rule and copy its files into ``folder``; return the rule's path.

    :raises InputError: the rule exists already, or two rules have different files of one name.
    """
    rule = folder / f"{imported.data['source']}.yaml"
    if rule.exists():
        raise InputError(
            f"{rule} is there already", hint="choose another folder, or remove it first"
        )
    files = Files(imported.folder)
    rule_of(imported.data, file=imported.file.name, files=files)
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files.names):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.read_bytes() != (imported.folder / name).read_bytes():
            raise InputError(
                f"{target} is there already and is another file",
                hint="import into a folder of its own",
            )
        shutil.copyfile(imported.folder / name, target)
    written = yaml.dump(
        imported.data, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=1000
    )
    rule.write_text(f"# Imported from {imported.file.name}\n{written}", encoding="utf-8")
    return rule


def rule_head(source: str, why: str, day: date) -> Json:
    """Return the keys that every imported rule has.

    It leaves no mark in the spec, as the original tools.
    """
    return {"schema": 1, "source": source, "why": why, "date": day.isoformat(), "mark": False}

"""YAML with positions, so that a wrong key is reported with its line and column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from buildfarm.errors import ConfigError

Path_ = tuple[str | int, ...]
"""Keys and indexes that lead to a value."""


class _TextDates(yaml.SafeLoader):
    """YAML in which a date stays text."""


_TextDates.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Placed:
    """The data of one YAML file, with the position of each part."""

    def __init__(self, file: Path) -> None:
        """Read the file. :raises ConfigError: it is unreadable, not YAML, or has a duplicate
        key.
        """
        self.file = file
        self._places: dict[Path_, tuple[int, int]] = {}
        try:
            loader = _TextDates(file.read_text(encoding="utf-8"))
            try:
                node = loader.get_single_node()
                self.data = {} if node is None else loader.construct_document(node)
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
            raise ConfigError(f"{file}{place}: {error.problem or error.context}") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
        if node is not None:
            self._walk(node, ())

    def _walk(self, node: yaml.Node, path: Path_) -> None:
        self._places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                name = str(key.value)
                if name in seen:
                    place = f"{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                    raise ConfigError(
                        f"{self.file}:{place}: {dotted((*path, name))}: the key is there twice"
                    )
                seen.add(name)
                self._places[*path, name] = (key.start_mark.line + 1, key.start_mark.column + 1)
                self._walk(value, (*path, name))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self._walk(value, (*path, number))

    def at(self, path: Iterable[str | int]) -> str:
        """Return ``file:line:column`` of a value, or of the nearest one around it."""
        keys = tuple(path)
        while keys not in self._places and keys:
            keys = keys[:-1]
        line, column = self._places.get(keys, (1, 1))
        return f"{self.file}:{line}:{column}"

    def error(self, path: Iterable[str | int], problem: str, *, hint: str = "") -> ConfigError:
        """Return an error with the file, the position and the key."""
        keys = tuple(path)
        return ConfigError(f"{self.at(keys)}: {dotted(keys)}: {problem}", hint=hint)


def dotted(path: Iterable[str | int]) -> str:
    """Return the key as it is written in messages.

    >>> dotted(("actions", 0, "replace")), dotted(())
    ('actions.0.replace', 'the file')
    """
    return ".".join(map(str, path)) or "the file"


def plain(data: object) -> object:
    """Return the data with every mapping as a ``dict``, for canonical JSON."""
    if isinstance(data, Mapping):
        return {str(key): plain(value) for key, value in data.items()}
    return [plain(value) for value in data] if isinstance(data, list | tuple) else data

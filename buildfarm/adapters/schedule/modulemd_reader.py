"""Read the modules of a repository: modulemd documents (version 2) and defaults.

They are in repomd.xml's record ``modules``.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
import zstandard

from buildfarm.domain.publish.modules import Modules, ModuleStream
from buildfarm.errors import InfraError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_modules(files: Iterable[Path]) -> Modules:
    """Return the modules of all files. :raises InfraError: one of them is not a modulemd file."""
    streams: list[ModuleStream] = []
    defaults: dict[str, str] = {}
    for file in files:
        try:
            # A safe loader, in C if available.
            for one in yaml.load_all(_plain(file), Loader=_LOADER):
                _take(one, streams, defaults)
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            yaml.YAMLError,
            zstandard.ZstdError,
        ) as error:
            raise InfraError(
                f"{file}: its modules cannot be read: {error}", hint="make the repodata again"
            ) from error
    return Modules(streams=tuple(streams), defaults=defaults)


def _plain(file: Path) -> bytes:
    data = file.read_bytes()
    match file.suffix:
        case ".gz":
            return gzip.decompress(data)
        case ".xz":
            return lzma.decompress(data)
        case ".bz2":
            return bz2.decompress(data)
        case ".zst":
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
        case _:
            return data


def _take(one: Any, streams: list[ModuleStream], defaults: dict[str, str]) -> None:  # noqa: ANN401  # YAML
    data: Mapping[str, Any] = one["data"]
    if one["document"] == "modulemd-defaults" and "stream" in data:
        defaults[str(data["module"])] = str(data["stream"])
    elif one["document"] in ("modulemd", "modulemd-stream"):
        requires: dict[str, tuple[str, ...]] = {}
        for group in data.get("dependencies") or ():
            requires |= {
                str(k): tuple(map(str, v or ())) for k, v in (group.get("requires") or {}).items()
            }
        artifacts = (data.get("artifacts") or {}).get("rpms") or ()
        streams.append(
            ModuleStream(
                name=str(data["name"]),
                stream=str(data["stream"]),
                artifacts=tuple(map(str, artifacts)),
                requires=requires,
            )
        )

"""Extra metadata of the vendor for our repositories: groups (comps), advisories, modules.

Advisories (updateinfo) are reduced to the RPMs of the repository, with their release there: dnf
finds an advisory by the exact NEVRA.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import createrepo_c as cr
import yaml

from buildfarm.domain.core.nevra import split_filename
from buildfarm.domain.target.target import ExtraMetadataKind
from buildfarm.errors import InputError

RECORD_TYPE = {
    ExtraMetadataKind.COMPS: "group",
    ExtraMetadataKind.UPDATEINFO: "updateinfo",
    ExtraMetadataKind.MODULES: "modules",
}
"""The type of each in repomd.xml, as createrepo_c and dnf name it."""
FILENAME = {
    ExtraMetadataKind.COMPS: "comps.xml",
    ExtraMetadataKind.UPDATEINFO: "updateinfo.xml",
    ExtraMetadataKind.MODULES: "modules.yaml",
}


def content_of(kind: ExtraMetadataKind, path: Path, names: Mapping[str, str]) -> bytes:
    """Return the content for a repository.

    :param names: our file names in this repository, by the vendor's.
    :raises InputError: the file is not of its kind.
    """
    try:
        match kind:
            case ExtraMetadataKind.COMPS:
                return _comps(path)
            case ExtraMetadataKind.UPDATEINFO:
                return _advisories(path, names)
            case ExtraMetadataKind.MODULES:
                return _modules(path)
    except (ValueError, ET.ParseError, yaml.YAMLError, cr.CreaterepoCError, OSError) as error:
        raise InputError(
            f"{path}: no {kind} file: {error}", hint=f"see `extra_metadata.{kind}` of the target"
        ) from error


def _comps(path: Path) -> bytes:
    data = path.read_bytes()
    root = ET.fromstring(data).tag  # noqa: S314  # our own file; expat refuses entity bombs
    if root != "comps":
        raise ValueError(f"its root is <{root}>, not <comps>")
    return data


def _modules(path: Path) -> bytes:
    data = path.read_bytes()
    kinds = {str(one.get("document")) for one in yaml.safe_load_all(data) if isinstance(one, dict)}
    if not kinds & {"modulemd", "modulemd-stream"}:
        raise ValueError(
            f"no modulemd document in it, only {', '.join(sorted(kinds)) or 'nothing'}"
        )
    return data


def _advisories(path: Path, names: Mapping[str, str]) -> bytes:
    kept = cr.UpdateInfo()
    for update in cr.UpdateInfo(str(path)).updates:
        collections = [
            found for one in update.collections if (found := _collection(one, names)) is not None
        ]
        if not collections:
            continue
        mine = _without_collections(update)
        for one in collections:
            mine.append_collection(one)
        kept.append(mine)
    return str(kept.xml_dump()).encode()


def _without_collections(update: cr.UpdateRecord) -> cr.UpdateRecord:
    bare = cr.UpdateRecord()
    for name in (
        "id", "title", "type", "status", "version", "fromstr", "severity", "summary", "description",
        "solution", "rights", "release", "pushcount", "issued_date", "updated_date",
        "reboot_suggested",
    ):  # fmt: skip
        if (value := getattr(update, name)) is not None:
            setattr(bare, name, value)
    for reference in update.references:
        bare.append_reference(reference)
    return bare


def _collection(
    theirs: cr.UpdateCollection, names: Mapping[str, str]
) -> cr.UpdateCollection | None:
    """Return a collection with those of its RPMs that we have; ``None`` if we have none of them."""
    ours = cr.UpdateCollection()
    ours.shortname, ours.name = theirs.shortname, theirs.name
    if theirs.module is not None:
        ours.module = theirs.module
    found = False
    for rpm in theirs.packages:
        filename = names.get(f"{rpm.name}-{rpm.version}-{rpm.release}.{rpm.arch}.rpm")
        if filename is None:
            continue
        _, version, release, _ = split_filename(filename)
        one = rpm.copy()
        one.filename, one.version, one.release, one.sum, one.sum_type = (
            filename,
            version,
            release,
            None,
            0,
        )
        ours.append(one)
        found = True
    return ours if found else None

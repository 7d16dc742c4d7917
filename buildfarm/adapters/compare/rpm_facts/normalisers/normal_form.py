"""Named normalisers: reduce a file's bytes to those that two builds of a source have in common.

Each normaliser that changed something is recorded by name. A normal form begins with the names of
its containers, so that a compressed file never equals a plain one. Readers of compiled code are
imported with the first such file.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace

from buildfarm.adapters.compare.rpm_facts.errors import MalformedError
from buildfarm.adapters.compare.rpm_facts.normalisers import containers, normalisers
from buildfarm.domain.compare.contents.java import ClassFacts
from buildfarm.domain.compare.contents.normalise import Mask
from buildfarm.domain.compare.facts.elf_facts import ElfFacts

_ELF, _JAVA_CLASS, _AR = b"\x7fELF", b"\xca\xfe\xba\xbe", b"!<arch>\n"
_MAX_DEPTH = 4
_TEXT_PROBE = 1 << 16
_MAX_TEXT = 16 << 20
_EVIDENCE = 32 << 10
_BUILD_FOLDER = re.compile(r"/BUILD(?:ROOT)?(?=/)")
_NO_PATH = re.compile(r"[^\w.+~@%/-]")
_LONGEST_PREFIX = 200
_SHEBANG = re.compile(rb"#! *([^\n]{1,200})")
# A kernel's symvers.gz, symvers.xz.
_SYMVERS = re.compile(r"(?:^|/)(?:symvers(?:-[^/]*)?(?:\.\w+)?|Module\.symvers)$")
_ENDINGS = {"gzip": ".gz", "xz": ".xz", "bzip2": ".bz2", "zstd": ".zst", "lzma": ".lzma"}


@dataclass(slots=True)
class NormalForm:
    """The normal form of a file: ``material`` is digested, the rest describes the innermost
    content.
    """

    material: bytes = b""
    nature: str = "data"
    interpreter: str = ""
    text: str = ""
    elf: ElfFacts | None = None
    classes: tuple[ClassFacts, ...] = ()
    symvers: tuple[tuple[str, str], ...] = ()
    fired: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Hex; equal digests mean equal files, except for the changes that are recorded."""
        return hashlib.sha256(self.material).hexdigest()


def reduce(data: bytes, path: str, mask: Mask, *, depth: int = 0) -> NormalForm:
    """Return the normal form of a file's bytes, or of its innermost content if it is a container.

    :raises ElfError, JavaClassError: it claims to be compiled code and is not well-formed.
    """
    inside = _container(data, path, mask, depth) if depth < _MAX_DEPTH else None
    if inside is not None:
        return inside
    if data.startswith(_ELF):
        from buildfarm.adapters.compare.rpm_facts.elf import elf

        return _elf(elf.read(data, mask.apply), "elf-sections")
    if data.startswith(_JAVA_CLASS) and path.endswith(".class"):
        from buildfarm.adapters.compare.rpm_facts import java_class

        return NormalForm(material=data, nature="class", classes=(java_class.read(data),))
    if _is_text(data):
        return _text(data, path, mask)
    material, fired = normalisers.of_binary(path, data)
    return NormalForm(
        material=b"".join((*(f"{name}\0".encode() for name in fired), material)), fired=fired
    )


def _container(data: bytes, path: str, mask: Mask, depth: int) -> NormalForm | None:
    """Return ``None`` if it is not a container, or only looks like one."""
    if data.startswith(_AR):
        return _ar(data)
    try:
        for magic, name, unpack in containers.COMPRESSORS:
            if data.startswith(magic):
                form = reduce(
                    unpack(data), path.removesuffix(_ENDINGS.get(name, "")), mask, depth=depth + 1
                )
                form.material = f"{name}\0".encode() + form.material
                form.fired.insert(0, name)
                return form
        for name, (looks, members) in containers.ARCHIVES.items():
            if looks(data):
                return _members(name, list(members(data)), mask, depth)
    except MalformedError:
        raise
    except containers.UNREADABLE:
        return None
    return None


def _members(kind: str, found: list[containers.Member], mask: Mask, depth: int) -> NormalForm:
    """Return an archive's normal form, without its times, owners and order."""
    if len(found) > containers.MAX_MEMBERS:
        raise containers.TooLargeError("too many members")
    state, fired = [], [f"{kind}-members"]
    for member in sorted(found, key=lambda member: (member.name, member.attributes)):
        form = reduce(member.body, member.name, mask, depth=depth + 1)
        fired += [name for name in form.fired if name not in fired]
        state.append((member.name, member.attributes, form.digest))
    return NormalForm(material=f"{kind}\0".encode() + repr(state).encode(), fired=fired)


def _elf(facts: ElfFacts, fired: str) -> NormalForm:
    names = [fired]
    if facts.module is not None and facts.module.signature:
        names.append("module-signature")
    # Whether a file has debuginfo does not count: a debuginfo RPM may hold it.
    compared = replace(facts, debuginfo=False) if facts.debuginfo else facts
    return NormalForm(
        material=repr(compared).encode("utf-8", "surrogateescape"),
        nature="elf",
        elf=facts,
        fired=names,
    )


def _ar(data: bytes) -> NormalForm:
    from buildfarm.adapters.compare.rpm_facts.normalisers import archive

    try:
        facts = archive.read(data)
    except MalformedError:
        raise
    except ValueError:
        return NormalForm(material=data)
    if facts is None:
        return NormalForm(material=data)
    return _elf(facts, "ar-members")


def _is_text(data: bytes) -> bool:
    return len(data) <= _MAX_TEXT and b"\0" not in data[:_TEXT_PROBE] and b"\0" not in data


def mask_build_paths(text: str) -> str:
    """Replace the path down to rpmbuild's ``BUILD`` or ``BUILDROOT``, always in linear time.

    >>> mask_build_paths("-I/builddir/build/BUILD/foo-1.0/src /usr/BUILDER")
    '-I@BUILD@/foo-1.0/src /usr/BUILDER'
    """
    parts, done = [], 0
    for match in _BUILD_FOLDER.finditer(text):
        floor = max(done, match.start() - _LONGEST_PREFIX)
        breaks = [found.end() for found in _NO_PATH.finditer(text, floor, match.start())]
        start = text.find("/", breaks[-1] if breaks else floor, match.start() + 1)
        parts += [text[done:start], "@BUILD@"]
        done = match.end()
    return "".join([*parts, text[done:]])


def _symvers(text: str) -> tuple[tuple[str, str], ...]:
    from buildfarm.adapters.compare.rpm_facts.elf import kernel_module

    return kernel_module.symvers(text) or ()


def _text(data: bytes, path: str, mask: Mask) -> NormalForm:
    fired = []
    text = data.decode("utf-8", "surrogateescape")
    for name, change in (("own-evr", mask.apply), ("build-path", mask_build_paths)):
        changed = change(text)
        if changed != text:
            fired.append(name)
            text = changed
    text, named = normalisers.of_text(path, text)
    fired += named
    shebang = _SHEBANG.match(data)
    material = text.encode("utf-8", "surrogateescape")
    return NormalForm(
        material=material,
        nature="script" if shebang else "text",
        interpreter=shebang[1].decode("utf-8", "backslashreplace").strip() if shebang else "",
        text=material.decode("utf-8", "backslashreplace") if len(material) <= _EVIDENCE else "",
        symvers=_symvers(text) if _SYMVERS.search(path) else (),
        fired=fired,
    )

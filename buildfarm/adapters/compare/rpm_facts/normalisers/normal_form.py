"""Named normalisers: reduce a file's bytes to those that two builds of a source have in common.

Each normaliser that changed something is recorded by name. A normal form begins with the names of
its containers, so that a compressed file never equals a plain one. Readers of compiled code are
imported with the first such file.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from buildfarm.adapters.compare.rpm_facts import pe
from buildfarm.adapters.compare.rpm_facts.errors import MalformedError
from buildfarm.adapters.compare.rpm_facts.normalisers import containers, normalisers
from buildfarm.domain.compare.contents.java import ClassFacts
from buildfarm.domain.compare.contents.normalise import Mask
from buildfarm.domain.compare.contents.pe import PeFacts
from buildfarm.domain.compare.facts.content_facts import MemberFacts
from buildfarm.domain.compare.facts.elf_facts import ElfFacts

_ELF, _JAVA_CLASS, _AR = b"\x7fELF", b"\xca\xfe\xba\xbe", b"!<arch>\n"
_MAX_DEPTH = 4
_TEXT_PROBE = 1 << 16
_MAX_TEXT = 16 << 20
_EVIDENCE, _SCRIPT_EVIDENCE = 32 << 10, 1 << 20
_MAX_MEMBER_FACTS = 300_000
_PAGE = re.compile(r"\.(?:x?html?|svg)$")
_ACTIVE = re.compile(
    r"<script\b.*?</script|\bon[a-z]{3,20}\s*=\s*(?:\"[^\"]*|'[^']*)|(?:javascript|data):[^\"'\s>]*"
    r"|<(?:iframe|object|embed|foreignObject)\b[^>]*",
    re.IGNORECASE | re.DOTALL,
)
"""Parts of a page that a browser runs."""
_BUILD_FOLDER = re.compile(r"/BUILD(?:ROOT)?(?=/)")
_TOPDIR = re.compile(r"(?:^/builddir/build|/rpmbuild)$")
"""mock's and rpmdev-setuptree's; see the rpm manual, "Macro configuration", for ``_topdir``."""
_FOLLOWED = re.compile(
    r"^/etc/|^(?:/usr)?/(?:s?bin|libexec)/|/systemd/|/(?:pkgconfig|cmake|udev|dbus-1|polkit-1)/|/[Mm]akefile"
    r"|\.(?:service|timer|socket|path|mount|target|desktop|conf|cfg|ini|pc|la|cmake|rules|policy|m4|mk"
    r"|sh|bash|csh|zsh|py|pl|pm|rb|lua|tcl|js|mjs|php|el|awk|R|jl)$"
)
"""Files whose paths are followed by a program, so that another path is another thing."""
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
    pe: PeFacts | None = None
    members: list[MemberFacts] = field(default_factory=list)
    active: tuple[str, ...] = ()
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
    facts = pe.read(data) if data.startswith(b"MZ") else None
    if facts is not None:
        facts = replace(facts, digest=hashlib.sha256(material).hexdigest())
        material += str(facts.is_signed).encode()
    return NormalForm(
        material=b"".join((*(f"{name}\0".encode() for name in fired), material)),
        nature="data" if facts is None else "pe",
        pe=facts,
        fired=fired,
    )


def _container(data: bytes, path: str, mask: Mask, depth: int) -> NormalForm | None:
    """Return ``None`` if it is not a container, or only looks like one."""
    if data.startswith(_AR):
        return _ar(data)
    try:
        for magic, name, unpack in containers.COMPRESSORS:
            if data.startswith(magic):
                content, rest = unpack(data)
                inside = path.removesuffix(_ENDINGS.get(name, ""))
                form = reduce(content, inside, mask, depth=depth + 1)
                # The length keeps the rest from passing for the beginning of the content.
                form.material = f"{name}\0{len(rest)}\0".encode() + rest + form.material
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
    """Return an archive's normal form, without its times and the order of different names."""
    if len(found) > containers.MAX_MEMBERS:
        raise containers.TooLargeError("too many members")
    state, fired = [], [f"{kind}-members"]
    members: list[MemberFacts] = []
    room = _EVIDENCE
    for member in sorted(found, key=lambda member: member.name):
        form = reduce(member.body, member.name, mask, depth=depth + 1)
        fired += [name for name in form.fired if name not in fired]
        state.append((member.name, member.attributes, form.digest))
        text = form.text if len(form.text) <= room else ""
        room -= len(text)
        members += [replace(inner, name=f"{member.name}!{inner.name}") for inner in form.members]
        if not form.members:
            members.append(
                MemberFacts(
                    name=member.name or member.attributes, digest=form.digest, attributes=member.attributes,
                    nature=form.nature, text=text, elf=form.elf, classes=form.classes,
                )
            )  # fmt: skip
    return NormalForm(
        material=f"{kind}\0".encode() + repr(state).encode(),
        members=members if _is_small(members) else [],
        fired=fired,
    )


def _is_small(members: Sequence[MemberFacts]) -> bool:
    """Check that facts of members are few enough to be handed on; else the archive is one piece."""
    symbols = sum(
        len(member.elf.exports) + len(member.elf.imports) for member in members if member.elf
    )
    named = sum(len(item.members) for member in members for item in member.classes)
    return symbols + named + len(members) <= _MAX_MEMBER_FACTS


def _elf(facts: ElfFacts, fired: str) -> NormalForm:
    names = [fired]
    if facts.module is not None and facts.module.signature:
        names.append("module-signature")
    # Whether a file has debuginfo does not count: a debuginfo RPM may hold it. Nor do its records of
    # compilers: they are a cause of differences, not one.
    members = tuple((name, part and replace(part, toolchain=())) for name, part in facts.members)
    compared = replace(facts, debuginfo=False, toolchain=(), members=members)
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
    """Replace the path down to rpmbuild's ``BUILD`` or ``BUILDROOT`` where it is the topdir of mock
    or rpmbuild; any other path means what it says. Always in linear time.

    >>> mask_build_paths("-I/builddir/build/BUILD/foo-1.0/src /srv/BUILD/x /usr/BUILDER")
    '-I@BUILD@/foo-1.0/src /srv/BUILD/x /usr/BUILDER'
    """
    parts, done = [], 0
    for match in _BUILD_FOLDER.finditer(text):
        floor = max(done, match.start() - _LONGEST_PREFIX)
        breaks = [found.end() for found in _NO_PATH.finditer(text, floor, match.start())]
        start = text.find("/", breaks[-1] if breaks else floor, match.start() + 1)
        if _TOPDIR.search(text, start, match.start()) is None:
            continue
        parts += [text[done:start], "@BUILD@"]
        done = match.end()
    return "".join([*parts, text[done:]])


def _is_read_only(path: str, data: bytes) -> bool:
    """Check that a text only tells people where it was built: no script, command or configuration."""
    return not data.startswith(b"#!") and _FOLLOWED.search(path) is None


def _active(text: str) -> tuple[str, ...]:
    found = {match.group() for match in _ACTIVE.finditer(text)}
    return tuple(
        sorted(
            hashlib.sha256(some.encode("utf-8", "surrogateescape")).hexdigest()[:16]
            for some in found
        )
    )


def _symvers(text: str) -> tuple[tuple[str, str], ...]:
    from buildfarm.adapters.compare.rpm_facts.elf import kernel_module

    return kernel_module.symvers(text) or ()


def _text(data: bytes, path: str, mask: Mask) -> NormalForm:
    fired = []
    text = data.decode("utf-8", "surrogateescape")
    changes = [("own-evr", mask.apply)]
    if _is_read_only(path, data):
        changes.append(("build-path", mask_build_paths))
    for name, change in changes:
        changed = change(text)
        if changed != text:
            fired.append(name)
            text = changed
    text, named = normalisers.of_text(path, text)
    fired += named
    shebang = _SHEBANG.match(data)
    material = text.encode("utf-8", "surrogateescape")
    most = _SCRIPT_EVIDENCE if shebang else _EVIDENCE
    return NormalForm(
        material=material,
        nature="script" if shebang else "text",
        interpreter=shebang[1].decode("utf-8", "backslashreplace").strip() if shebang else "",
        text=material.decode("utf-8", "backslashreplace") if len(material) <= most else "",
        symvers=_symvers(text) if _SYMVERS.search(path) else (),
        active=_active(text) if _PAGE.search(path) else (),
        fired=fired,
    )

"""Read a Java class file from memory: The Java Virtual Machine Specification, chapter 4.

Every index is checked; :class:`JavaClassError` is raised for a wrong one. Time and memory are
linear in the file's size.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from buildfarm.adapters.compare.rpm_facts.errors import MalformedError
from buildfarm.domain.compare.contents.java import (
    PRIVATE,
    PROTECTED,
    PUBLIC,
    ClassFacts,
    ClassMember,
)

MAGIC = b"\xca\xfe\xba\xbe"
_UTF8, _LONG, _DOUBLE, _CLASS, _STRING = 1, 5, 6, 7, 8
_SIZES = {
    3: 4,
    4: 4,
    5: 8,
    6: 8,
    7: 2,
    8: 2,
    9: 4,
    10: 4,
    11: 4,
    12: 4,
    15: 3,
    16: 2,
    17: 4,
    18: 4,
    19: 2,
    20: 2,
}
_NUMBERS = {3: ">i", 4: ">f", 5: ">q", 6: ">d"}
_SYNTHETIC, _SUPER = 0x1000, 0x20
_MAX_NAMES = 64 << 20


class JavaClassError(MalformedError):
    """Not a well-formed class file."""


@dataclass(slots=True)
class _Cursor:
    data: bytes
    at: int
    room: int = _MAX_NAMES

    def take(self, layout: str) -> tuple[int, ...]:
        row = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return row

    def skip(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise JavaClassError("a class file ends early")
        self.at += size
        return self.data[self.at - size : self.at]


_Pool = list[tuple[int, bytes]]


def read(data: bytes) -> ClassFacts:
    """Return the facts of one class file. :raises JavaClassError: it is not well-formed."""
    if data[:4] != MAGIC:
        raise JavaClassError("not a class file")
    try:
        return _facts(_Cursor(data=data, at=4))
    except (struct.error, IndexError) as error:
        raise JavaClassError(f"malformed class file: {error}") from error


def _facts(cursor: _Cursor) -> ClassFacts:
    minor, major, count = cursor.take(">HHH")
    pool = _constants(cursor, count)
    access, own, parent, interfaces = cursor.take(">HHHH")
    named = tuple(_class(cursor, pool, cursor.take(">H")[0]) for _ in range(interfaces))
    members = (*_members(cursor, pool), *_members(cursor, pool))
    for _ in range(cursor.take(">H")[0]):
        cursor.skip(cursor.take(">HI")[1])
    if cursor.at != len(cursor.data):
        raise JavaClassError("bytes behind the class")
    return ClassFacts(
        name=_class(cursor, pool, own),
        version=(major, minor),
        access=access & ~_SUPER,
        parent=_class(cursor, pool, parent) if parent else "",
        interfaces=named,
        members=tuple(sorted(members, key=lambda member: member.label)),
        digest=hashlib.sha256(cursor.data).hexdigest(),
    )


def _constants(cursor: _Cursor, count: int) -> _Pool:
    pool: _Pool = [(0, b"")]
    while len(pool) < count:
        (tag,) = cursor.take(">B")
        size = cursor.take(">H")[0] if tag == _UTF8 else _SIZES.get(tag)
        if size is None:
            raise JavaClassError(f"a constant of kind {tag}")
        pool.append((tag, cursor.skip(size)))
        if tag in (_LONG, _DOUBLE):
            pool.append((0, b""))  # they take two places (4.4.5)
    return pool


def _text(cursor: _Cursor, pool: _Pool, at: int) -> str:
    tag, body = pool[at]
    cursor.room -= len(body)
    if tag != _UTF8 or cursor.room < 0:
        raise JavaClassError(
            "a name that is none" if tag != _UTF8 else "its names come to too much"
        )
    return body.decode("utf-8", "backslashreplace")


def _class(cursor: _Cursor, pool: _Pool, at: int) -> str:
    tag, body = pool[at]
    if tag != _CLASS:
        raise JavaClassError("a class that is none")
    return _text(cursor, pool, struct.unpack(">H", body)[0])


def _members(cursor: _Cursor, pool: _Pool) -> list[ClassMember]:
    """Return the fields, or the methods, that are visible outside."""
    found = []
    for _ in range(cursor.take(">H")[0]):
        access, name, descriptor, attributes = cursor.take(">HHHH")
        constant = ""
        for _ in range(attributes):
            attribute, size = cursor.take(">HI")
            body = cursor.skip(size)
            if pool[attribute] == (_UTF8, b"ConstantValue") and size == 2:  # noqa: PLR2004 -- an index (4.7.2)
                constant = _constant(cursor, pool, struct.unpack(">H", body)[0])
        if access & (PUBLIC | PROTECTED) and not access & (PRIVATE | _SYNTHETIC):
            label = _text(cursor, pool, name), _text(cursor, pool, descriptor)
            found.append(
                ClassMember(name=label[0], descriptor=label[1], access=access, constant=constant)
            )
    return found


def _constant(cursor: _Cursor, pool: _Pool, at: int) -> str:
    tag, body = pool[at]
    if tag == _STRING:
        return _text(cursor, pool, struct.unpack(">H", body)[0])
    if tag not in _NUMBERS:
        raise JavaClassError("a constant without a value")
    return str(struct.unpack(_NUMBERS[tag], body)[0])

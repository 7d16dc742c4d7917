"""The messages of srpmproc's directive files, for protobuf's text format reader.

The table is the content of srpmproc's ``proto/cfg.proto``: ``name: (number, type, repeated,
oneof)``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

Field = tuple[int, str, bool, str]
_MESSAGES: Mapping[str, Mapping[str, Field]] = {
    "Replace": {
        "file": (1, "string", False, ""),
        "with_file": (2, "string", False, "replacing"),
        "with_inline": (3, "string", False, "replacing"),
        "with_lookaside": (4, "string", False, "replacing"),
    },
    "Delete": {"file": (1, "string", False, "")},
    "Add": {
        "file": (1, "string", False, "source"),
        "lookaside": (2, "string", False, "source"),
        "name": (3, "string", False, ""),
    },
    "Lookaside": {
        "file": (1, "string", True, ""),
        "tar": (2, "bool", False, ""),
        "archive_name": (3, "string", False, ""),
        "from_patch_tree": (4, "bool", False, ""),
    },
    "FileOperation": {
        "name": (1, "string", False, ""), "type": (2, "Type", False, ""),
        "add": (3, "bool", False, "mode"), "delete": (4, "bool", False, "mode"),
        "add_to_prep": (5, "bool", False, ""), "n_path": (6, "int32", False, ""),
    },
    "ChangelogOperation": {
        "author_name": (1, "string", False, ""),
        "author_email": (2, "string", False, ""),
        "message": (3, "string", True, ""),
    },
    "SearchAndReplaceOperation": {
        "field": (1, "string", False, "identifier"), "any": (2, "bool", False, "identifier"),
        "starts_with": (3, "bool", False, "identifier"),
        "ends_with": (4, "bool", False, "identifier"), "find": (5, "string", False, ""),
        "replace": (6, "string", False, ""), "n": (7, "sint32", False, ""),
    },
    "AppendOperation": {"field": (1, "string", False, ""), "value": (2, "string", False, "")},
    "NewFieldOperation": {"key": (1, "string", False, ""), "value": (2, "string", False, "")},
    "SpecChange": {
        "file": (1, "FileOperation", True, ""), "changelog": (2, "ChangelogOperation", True, ""),
        "search_and_replace": (3, "SearchAndReplaceOperation", True, ""),
        "append": (4, "AppendOperation", True, ""), "new_field": (5, "NewFieldOperation", True, ""),
        "disable_auto_align": (6, "bool", False, ""),
    },
    "Patch": {"file": (1, "string", False, ""), "strict": (2, "bool", False, "")},
    "Cfg": {
        "replace": (1, "Replace", True, ""), "delete": (2, "Delete", True, ""),
        "add": (3, "Add", True, ""), "lookaside": (4, "Lookaside", True, ""),
        "spec_change": (5, "SpecChange", False, ""), "patch": (6, "Patch", True, ""),
    },
}  # fmt: skip
_PACKAGE = "srpmproc"
_SCALARS = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "sint32": descriptor_pb2.FieldDescriptorProto.TYPE_SINT32,
}  # fmt: skip


@functools.cache
def cfg_class() -> type[Message]:
    """Return the class of a whole directive file."""
    file = descriptor_pb2.FileDescriptorProto(name="cfg.proto", package=_PACKAGE, syntax="proto3")
    kinds = file.message_type.add(name="Enums").enum_type.add(name="Type")
    for number, name in enumerate(("Unknown", "Source", "Patch")):
        kinds.value.add(name=name, number=number)
    for name, fields in _MESSAGES.items():
        _add_message(file, name, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Cfg"))


def _add_message(
    file: descriptor_pb2.FileDescriptorProto, name: str, fields: Mapping[str, Field]
) -> None:
    message = file.message_type.add(name=name)
    oneofs: list[str] = []
    for field, (number, kind, repeated, oneof) in fields.items():
        made = message.field.add(name=field, number=number)
        made.label = made.LABEL_REPEATED if repeated else made.LABEL_OPTIONAL
        if kind in _SCALARS:
            made.type = _SCALARS[kind]
        else:
            made.type = made.TYPE_ENUM if kind == "Type" else made.TYPE_MESSAGE
            made.type_name = f".{_PACKAGE}.{'Enums.Type' if kind == 'Type' else kind}"
        if oneof:
            if oneof not in oneofs:
                oneofs.append(oneof)
                message.oneof_decl.add(name=oneof)
            made.oneof_index = oneofs.index(oneof)

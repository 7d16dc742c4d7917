"""Gzipped tars among the sources; the same files give the same bytes at any time and on any
machine.
"""

from __future__ import annotations

import gzip
import io
import tarfile

from buildfarm.domain.debrand.rule import Bundle
from buildfarm.domain.debrand.sources import present
from buildfarm.domain.debrand.tree import Tree, source_path


def bundle(action: Bundle, tree: Tree, *, mtime: int, where: str) -> bytes:
    """The archive's bytes; every time in it is ``mtime``.

    :raises RuleDoesNotFit: a source is not there.
    """
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, own in action.files:
            content = _source(name, tree, where) if own is None else own
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(content), mtime, 0o644
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), 9, mtime=mtime)


def _source(name: str, tree: Tree, where: str) -> bytes:
    path = source_path(tree, name)
    present(tree, path, name, where)
    return tree[path]

"""Parse a repository's metadata in the sandbox, into JSON lines.

It runs inside as ``python -m``, reads ``{"repomd": path}`` or ``{"primary": path}`` from standard
input and prints the records or the RPMs; :func:`parse` starts it from outside.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import createrepo_c

from buildfarm.adapters.system import sandbox
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.errors import InputError

_SECONDS = 300.0


def parse(
    kind: str, file: Path, place: str, *, most_output: int = 1024 * MEBIBYTE
) -> list[dict[str, Any]]:
    """Return the content of ``file`` of the repository at ``place``, parsed in the sandbox.

    :raises InputError: it cannot be read within the sandbox's limits of time and memory, or has
        more than ``most_output`` bytes of output.
    """
    done = sandbox.python(
        "buildfarm.adapters.system.repodata_parser", read_only=[file],
        stdin=json.dumps({kind: str(file)}).encode(), timeout=_SECONDS, max_output=most_output,
        ok=None,
    )  # fmt: skip
    if done.returncode != 0 or done.stopped:
        why = done.stopped or done.error_text.strip().splitlines()[-1:] or ["no reason given"]
        raise InputError(
            f"{place}: {kind} cannot be read: {why}", hint="is it a repository of RPMs?"
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    if "repomd" in request:
        repomd = createrepo_c.Repomd(request["repomd"])
        for record in repomd.records:
            _say(
                {
                    "revision": repomd.revision or "", "type": record.type,
                    "href": record.location_href, "size": record.size, "checksum": record.checksum,
                    "checksum_type": record.checksum_type,
                }
            )  # fmt: skip
    else:
        createrepo_c.xml_parse_primary(request["primary"], pkgcb=_rpm, do_files=False)


def _rpm(package: Any) -> None:  # noqa: ANN401  # createrepo_c has no types
    _say({
        "name": package.name, "epoch": int(package.epoch or 0), "version": package.version,
        "release": package.release, "arch": package.arch, "source_rpm": package.rpm_sourcerpm or "",
        "href": package.location_href, "base": package.location_base or "",
        "size": package.size_package, "checksum": package.pkgId,
        "checksum_type": package.checksum_type,
        "provides": sorted({item[0] for item in package.provides}),
    })  # fmt: skip


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()

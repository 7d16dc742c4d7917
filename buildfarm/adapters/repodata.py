"""Inside the sandbox: a repository's metadata as JSON lines. ``repomd`` lists its records, ``primary`` its RPMs.

Reads ``{"repomd": path}`` or ``{"primary": path}`` from standard input.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import createrepo_c


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    if "repomd" in request:
        for record in createrepo_c.Repomd(request["repomd"]).records:
            _say({"type": record.type, "href": record.location_href, "size": record.size,
                  "checksum": record.checksum, "checksum_type": record.checksum_type})  # fmt: skip
    else:
        createrepo_c.xml_parse_primary(request["primary"], pkgcb=_rpm, do_files=False)


def _rpm(package: Any) -> None:  # noqa: ANN401  # createrepo_c has no types
    _say({
        "name": package.name, "epoch": int(package.epoch or 0), "version": package.version, "release": package.release,
        "arch": package.arch, "source_rpm": package.rpm_sourcerpm or "", "href": package.location_href,
        "base": package.location_base or "", "size": package.size_package, "checksum": package.pkgId,
        "checksum_type": package.checksum_type, "provides": sorted({item[0] for item in package.provides}),
    })  # fmt: skip


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()

"""Many small RPMs from few rpmbuild runs: one source with many sub-packages, the same for the
vendor and for us but for what is asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SUB = """
%package {name}
Summary: Part {name}
Requires: %{{name}} = %{{version}}-%{{release}}
%description {name}
Part.
%files {name}
/usr/share/%{{name}}/{name}
/usr/bin/%{{name}}-{name}
"""


def spec(
    source: str, parts: int, changed: Mapping[int, str], *, without: frozenset[int], epoch: int
) -> str:
    """``changed`` gives parts another script; ``without`` leaves parts out."""
    names = {number: f"p{number}" for number in range(parts) if number not in without}
    install = "\n".join(
        f"printf 'data of {name}\\n' > $d/usr/share/{source}/{name}\n"
        f"printf '#!/bin/sh\\necho {changed.get(number, 'same')}\\n' > $d/usr/bin/{source}-{name}"
        for number, name in names.items()
    )
    return f"""
Name: {source}
Version: 1.0
Release: 1.el9
Summary: Many parts
License: MIT
BuildArch: noarch
Provides: {source}-api = 1
%description
Many parts.
%install
d=%{{buildroot}}
mkdir -p $d/usr/share/{source} $d/usr/bin
{install}
chmod 0755 $d/usr/bin/*
%files
%dir /usr/share/{source}
{"".join(_SUB.format(name=name) for name in names.values())}
"""


def build(
    folder: Path, source: str, *, parts: int, changed: Mapping[int, str] | None = None, without: frozenset[int] = frozenset(),
    epoch: int = 1_700_000_000,
) -> list[Path]:  # fmt: skip
    """Run rpmbuild once; the binary RPMs, moved to ``folder``."""
    top = folder / f".{source}"
    top.mkdir(parents=True)
    (top / "many.spec").write_text(spec(source, parts, changed or {}, without=without, epoch=epoch))
    words = [word for define in (f"_topdir {top}", "_buildhost many.example", "use_source_date_epoch_as_buildtime 1",
                                 "_binary_payload w1.gzdio", "_build_id_links none", "__os_install_post %{nil}",
                                 "debug_package %{nil}") for word in ("--define", define)]  # fmt: skip
    done = subprocess.run(
        ["rpmbuild", "-bb", "--quiet", *words, str(top / "many.spec")], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(top), "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = [file.rename(folder / file.name) for file in sorted(top.glob("RPMS/*/*.rpm"))]
    shutil.rmtree(top)
    return made


def distribution(
    folder: Path, *, sources: int, parts: int, epoch: int, changed: bool = False
) -> int:
    """``sources`` of ``parts`` sub-packages each, two rpmbuilds at a time; with ``changed`` the
    first part of each source differs.

    The number of RPMs.
    """
    folder.mkdir(parents=True)
    difference = {0: "other"} if changed else {}
    with ThreadPoolExecutor(2) as pool:
        built = pool.map(
            lambda number: build(
                folder, f"s{number:03}", parts=parts, changed=difference, epoch=epoch
            ),
            range(sources),
        )
        return sum(len(files) for files in built)

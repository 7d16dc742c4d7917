"""A real RPM built by rpmbuild, and variants of it with exactly one thing changed."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

SPEC = r"""
Name: sample
Version: 1.0
Release: 1%{?dist}%{?ours}
Summary: A sample
License: MIT
Group: Unspecified
URL: https://example.org/
Requires: bash >= 4
Requires(post): coreutils
Requires: (grep or sed)
Requires: %{name}-data = %{version}-%{release}
Provides: sample-api = 2
Conflicts: rival < 3
Obsoletes: older < 1
Recommends: weak-one
OrderWithRequires: earlier
%description
Text of a sample.

%package data
Summary: Data
BuildArch: noarch
%description data
Data.

%build
cat > lib.c <<'EOF'
int sample_one(void) { return 1; }
int sample_two(void) { return 2; }
int sample_table[4] = {1, 2, 3, 4};
__attribute__((weak)) void _Z3addIiET_S0_(void) {}
__attribute__((weak)) void sample_weak(void) {}
EOF
cat > lib.map <<'EOF'
SAMPLE_1 { global: sample_one; sample_two; sample_table; sample_weak; _Z3addIiET_S0_; local: *; };
EOF
cat > main.c <<'EOF'
#include <stdio.h>
int main(void) { puts("one"); return 0; }
EOF
gcc -O1 -shared -fPIC -Wl,-soname,libsample.so.1 -Wl,--version-script=lib.map -o libsample.so.1.0 lib.c
gcc -O1 -pie -fPIE -Wl,-z,relro,-z,now -o sample main.c
gcc -O1 -c -o lib.o lib.c
ar rcD libsample.a lib.o

%install
d=%{buildroot}
mkdir -p $d/usr/bin $d/usr/lib64 $d/etc $d/usr/share/sample $d/usr/share/man/man1 $d/usr/share/doc/sample-1.0-%{release}
install -m 0755 sample $d/usr/bin/sample
install -m 0755 libsample.so.1.0 $d/usr/lib64/
install -m 0644 libsample.a $d/usr/lib64/
ln -s libsample.so.1.0 $d/usr/lib64/libsample.so.1
printf '#!/bin/sh\necho run %{version}-%{release}\n' > $d/usr/bin/sample-run
chmod 0755 $d/usr/bin/sample-run
printf 'setting = 1\n' > $d/etc/sample.conf
printf 'data\n' > $d/usr/share/sample/data.txt
ln $d/usr/share/sample/data.txt $d/usr/share/sample/hard.txt
printf 'other\n' > $d/usr/share/sample/other.txt
printf 'built in %{_builddir}/sample\n' > $d/usr/share/sample/where.txt
printf '.TH SAMPLE 1\n' | gzip %{?gzip_options} > $d/usr/share/man/man1/sample.1.gz
printf 'Read me, %{version}-%{release}.\n' > $d/usr/share/doc/sample-1.0-%{release}/README

%post
echo installed %{version}-%{release}
%preun -p /bin/bash
echo going
%postun -p /sbin/ldconfig
%triggerun -- watched >= 2
echo trigger body
%filetriggerin -- /usr/lib/watched
echo file trigger body
%transfiletriggerin -P 2000 -- /usr/share/watched
echo transaction file trigger body

%files
%attr(0755,root,root) %caps(cap_net_raw=p) /usr/bin/sample
%attr(0755,root,root) /usr/bin/sample-run
/usr/lib64/libsample.so.1.0
/usr/lib64/libsample.so.1
/usr/lib64/libsample.a
%config(noreplace) /etc/sample.conf
%attr(0644,root,root) /usr/share/sample
/usr/share/man/man1/sample.1.gz
%ghost /var/lib/sample.state
%doc /usr/share/doc/sample-1.0-%{release}/README

%files data

%changelog
* Tue Jan 02 2024 A Person <a@example.org> - 1.0-1
- second
* Mon Jan 01 2024 A Person <a@example.org> - 0.9-1
- first
"""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one variant is built: text replacements in the spec, macros, and the world it is built
    in.
    """

    edits: tuple[tuple[str, str], ...] = ()
    macros: dict[str, str] = field(default_factory=dict)
    host: str = "vendor.example"
    epoch: int = 1_700_000_000

    def spec(self) -> str:
        text = SPEC
        for old, new in self.edits:
            assert text.count(old) >= 1, f"the recipe's edit matches nothing: {old!r}"
            text = text.replace(old, new)
        return text


def build(recipe: Recipe, folder: Path) -> dict[str, Path]:
    """Run rpmbuild; the RPMs (and the SRPM, under ``src``) by name."""
    top = folder / "rpmbuild"
    top.mkdir(parents=True)
    spec = folder / "sample.spec"
    spec.write_text(recipe.spec())
    macros = {
        "_topdir": str(top), "dist": ".el9", "_buildhost": recipe.host, "debug_package": "%{nil}",
        "__os_install_post": "%{nil}", "use_source_date_epoch_as_buildtime": "1", "_build_id_links": "none",
        "_docdir_fmt": "%%{NAME}", **recipe.macros,
    }  # fmt: skip
    words = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    done = subprocess.run(
        ["rpmbuild", "-ba", "--target", "x86_64", *words, str(spec)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SOURCE_DATE_EPOCH": str(recipe.epoch),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {path.name.rsplit("-", 2)[0]: path for path in top.glob("RPMS/**/*.rpm")}
    found["src"] = next(top.glob("SRPMS/*.rpm"))
    return found


def build_all(recipes: dict[str, Recipe], folder: Path) -> dict[str, dict[str, Path]]:
    """Build several at once."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        built = pool.map(lambda item: build(item[1], folder / item[0]), recipes.items())
        return dict(zip(recipes, built, strict=True))

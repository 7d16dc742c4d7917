"""The host distribution's packages, through an apt configuration of our own; /etc is not
touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.world.run import WorldError, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One binary package of the host distribution."""

    name: str
    version: str


class Apt:
    """apt with private lists and caches under ``folder``, with source packages enabled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._options: list[str] = []

    def update(self) -> None:
        """Derive private sources from the machine's own and fetch the lists.

        :raises WorldError: none are configured.
        """
        parts = self._folder / "sources.list.d"
        for name in ("lists/partial", "archives/partial", "sources.list.d"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        found = 0
        for file in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
            text = file.read_text(encoding="utf-8").replace("Types: deb\n", "Types: deb deb-src\n")
            (parts / file.name).write_text(text, encoding="utf-8")
            found += 1
        lines = [
            Path("/etc/apt/sources.list"),
            *sorted(Path("/etc/apt/sources.list.d").glob("*.list")),
        ]
        classic = [
            line.replace("deb ", f"{kind} ", 1)
            for file in lines
            if file.exists()
            for line in file.read_text(encoding="utf-8").splitlines()
            if line.startswith("deb ")
            for kind in ("deb", "deb-src")
        ]
        if not classic and not found:
            raise WorldError(
                "no package source in /etc/apt; the demo needs the host distribution's own registry"
            )
        main = self._folder / "sources.list"
        main.write_text("\n".join(classic) + "\n", encoding="utf-8")
        values = {
            "Dir::Etc::sourcelist": main, "Dir::Etc::sourceparts": parts,
            "Dir::State::lists": self._folder / "lists", "Dir::State::status": "/dev/null",
            "Dir::Cache::archives": self._folder / "archives", "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "", "APT::Sandbox::User": "root",
        }  # fmt: skip
        self._options = [word for key, value in values.items() for word in ("-o", f"{key}={value}")]
        self._apt("update", "-qq")

    def _apt(self, *words: str | Path, cwd: Path | None = None) -> str:
        return run(["apt-get", *self._options, *words], home=self._folder, cwd=cwd)

    def closure(self, names: Sequence[str]) -> list[Binary]:
        """Return everything that installing ``names`` into an empty system needs, by apt's own
        solver.
        """
        text = self._apt("-s", "--no-install-recommends", "install", *names)
        return [
            Binary(name=words[1], version=words[2].lstrip("("))
            for words in (line.split() for line in text.splitlines())
            if words and words[0] == "Inst"
        ]

    def download(self, binaries: Sequence[Binary], folder: Path) -> list[Path]:
        """Fetch binary packages; apt checks their digests against the signed lists."""
        folder.mkdir(parents=True, exist_ok=True)
        self._apt("download", "-qq", *(f"{one.name}={one.version}" for one in binaries), cwd=folder)
        return sorted(folder.glob("*.deb"))

    def source(self, name: str, folder: Path) -> list[Path]:
        """Fetch the upstream archive of a source package, not unpacked; apt checks its digest.

        A registry may list a security update before it has the files; the versions before it share
        the archive.

        :raises WorldError: no version of the package can be fetched.
        """
        folder.mkdir(parents=True, exist_ok=True)
        shown = run(
            ["apt-cache", *self._options, "showsrc", "--only-source", name], home=self._folder
        )
        found = [line.split()[1] for line in shown.splitlines() if line.startswith("Version: ")]
        tries = [name, *(f"{name}={version}" for version in dict.fromkeys(found))]
        for last, wanted in enumerate(tries, start=1):
            try:
                self._apt("source", "-qq", "--download-only", "--tar-only", wanted, cwd=folder)
                break
            except WorldError:
                if last == len(tries):
                    raise
        return sorted(folder.iterdir())

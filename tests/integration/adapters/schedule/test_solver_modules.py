"""What modules hide from a buildroot, with the real dnf over the same repositories as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from buildfarm_workers.builders.buildroot import dnf as builder_dnf

from buildfarm import wire
from buildfarm.adapters.publish.repository_writer import RepositoryWriter
from buildfarm.adapters.schedule.solver import LibsolvSolver
from buildfarm.domain.build.mock_configuration import MockConfig, render
from buildfarm.domain.schedule.plan import PinnedRepository
from buildfarm.domain.target.target import ExtraMetadataKind
from buildfarm.errors import InfraError
from buildfarm.ports.repositories import ExtraMetadataFile
from tests.integration.adapters.conftest import Dnf, Rpm, spec

MODULE = """---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: 20260101
  context: "00000000"
  arch: x86_64
  summary: s
  description: d
  license: {{module: [MIT]}}
  dependencies: [{{requires: {{platform: [el9]{needs}}}}}]
  artifacts: {{rpms: [{rpms}]}}
"""
DEFAULT = """---
document: modulemd-defaults
version: 1
data: {module: ruby, stream: "3", profiles: {"3": [common]}}
"""
SPECS = {
    "node-16": spec("node", version="16"),
    "node-18": spec("node", version="18"),
    "node-20": spec("node", version="20"),  # of no module
    "nodelike": spec("nodelike", "Provides: node = 99"),  # of no module, and provides the name
    "ruby-3": spec("ruby", version="3"),
    "ruby-9": spec("ruby", version="9"),  # of no module
    "gem": spec("gem", "Requires: ruby"),
    "tool": spec("tool"),
}
MODULES = "".join(
    [
        MODULE.format(name="node", stream="16", rpms='"node-0:16-1.noarch"', needs=""),
        MODULE.format(
            name="node",
            stream="18",
            rpms='"node-0:18-1.noarch", "node-0:18-1.src"',
            needs=', tool: ["1"]',
        ),
        MODULE.format(name="tool", stream="1", rpms='"tool-0:1.0-1.noarch"', needs=""),
        MODULE.format(name="ruby", stream="3", rpms='"ruby-0:3-1.noarch"', needs=""),
        DEFAULT,
    ]
)
VERSIONS = ("16", "18", "20", "3", "9", "1.0")
ASKED = ("node", "ruby", "gem", "tool", "nodelike")


@pytest.fixture(scope="module")
def repository(
    make_rpm: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> PinnedRepository:
    folder = tmp_path_factory.mktemp("modular")
    (folder / "modules.yaml").write_text(MODULES)
    carried = [
        ExtraMetadataFile(kind=ExtraMetadataKind.MODULES, path=folder / "modules.yaml", names={})
    ]
    RepositoryWriter(folder / "cache", folder / ".pool").write(
        folder / "repo", [Rpm.of(make_rpm(text)) for text in SPECS.values()], carried
    )
    return PinnedRepository(id="seed", folder=folder / "repo", priority=90)


@pytest.mark.parametrize("enabled", [(), ("node:16",), ("node:18",), ("node:18", "ruby:3")])
def test_what_dnf_sees_is_what_the_plan_sees(
    repository: PinnedRepository, dnf: Dnf, tmp_path: Path, enabled: tuple[str, ...]
) -> None:
    platform = "--setopt=module_platform_id=platform:el9"
    (tmp_path / "dnf" / "root").mkdir()
    builder_dnf.enable(tmp_path / "dnf" / "root", enabled)
    universe = LibsolvSolver().open([repository], "x86_64", modules=enabled, releasever="9")
    for name in ASKED:
        done = dnf({"seed": (repository.folder, 90)}, platform, "repoquery", name)
        theirs = {line.replace("-0:", "-") for line in done.stdout.split()}
        answers = [universe.resolve([f"{name} = {version}"], (), ()).chosen for version in VERSIONS]
        ours = {rpm for chosen in answers for rpm, _ in chosen if rpm.startswith(f"{name}-")}
        assert ours == theirs, (name, done.stderr)


def test_what_is_hidden_is_near_and_says_so(repository: PinnedRepository) -> None:
    universe = LibsolvSolver().open([repository], "x86_64", modules=(), releasever="9")
    (problem,) = universe.resolve(["tool"], (), ()).problems
    assert problem == (
        "nothing provides tool (nearest: tool-1.0-1.noarch in seed, of a module stream that is not enabled)"
    )


def test_a_stream_that_nobody_has_is_said(repository: PinnedRepository) -> None:
    with pytest.raises(InfraError, match="no repository has the module stream node:99"):
        LibsolvSolver().open([repository], "x86_64", modules=("node:99",), releasever="9")


def test_enabled_streams_make_another_base(repository: PinnedRepository) -> None:
    plain = LibsolvSolver().open([repository], "x86_64", releasever="9")
    node = LibsolvSolver().open([repository], "x86_64", modules=("node:16",), releasever="9")
    assert plain.base(("gem",)).rpms == node.base(("gem",)).rpms
    assert plain.base(("gem",)).key != node.base(("gem",)).key


def test_builders_enable_what_the_target_says(tmp_path: Path) -> None:
    buildroot = wire.Buildroot(
        key="k", generation="", packages=(), repositories=(), modules=("node:18",)
    )
    builder_dnf.enable(tmp_path, buildroot.modules)
    assert (
        "stream=18\nprofiles=\nstate=enabled"
        in (tmp_path / "etc/dnf/modules.d/node.module").read_text()
    )
    mock = MockConfig(
        root="r", arch="x86_64", packages=(), repositories=(), releasever="9", modules=("node:18",)
    )
    assert "config_opts['module_setup_commands'] = [('enable', 'node:18')]" in render(mock)

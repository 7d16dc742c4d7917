"""Groups, advisories and modules of the vendor stand in our repositories, as dnf reads them."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from buildfarm.adapters.publish.repository_writer import RepositoryWriter
from buildfarm.adapters.publish.signing import Signer
from buildfarm.domain.core.verdict import Verdict
from buildfarm.errors import InputError
from buildfarm.services.publish import publishing
from tests.integration.pipeline.conftest import World
from tests.integration.pipeline.publish.test_pipeline_publishing import DESTINATION, Press, silent

COMPS = """<?xml version="1.0"?>
<comps><group><id>tools</id><name>Small tools</name><description>Tools</description><default>true</default>
<uservisible>true</uservisible><packagelist><packagereq type="mandatory">zlib</packagereq></packagelist></group></comps>"""
ADVISORY = """<update from="sec@acme.example" status="final" type="security" version="1"><id>{id}</id><title>{id}</title>
<issued date="2026-01-01 00:00:00"/><severity>Important</severity><summary>s</summary><description>d</description>
<references><reference href="https://acme.example/CVE-1" id="CVE-2026-0001" type="cve" title="CVE-2026-0001"/></references>
<pkglist><collection short="base"><name>base</name>{packages}</collection></pkglist></update>"""
PACKAGE = '<package name="{0}" version="{1}" release="{2}" epoch="0" arch="noarch"><filename>{0}-{1}-{2}.noarch.rpm</filename></package>'
MODULES = """---
document: modulemd
version: 2
data:
  name: tools
  stream: "1"
  version: 20260101
  context: "00000000"
  arch: noarch
  summary: Tools
  description: Small tools
  license: {module: [MIT]}
  profiles: {default: {rpms: [toolkit]}}
  artifacts: {rpms: ["toolkit-0:1.0-1.el9.noarch"]}
"""


def updateinfo() -> str:
    debranded, plain = (
        PACKAGE.format("httpd", "1.0", "1.el9"),
        PACKAGE.format("zlib", "1.0", "1.el9"),
    )
    stranger = PACKAGE.format("absent", "1.0", "1.el9")
    advisories = (
        ADVISORY.format(id="ACME-1", packages=debranded + stranger), ADVISORY.format(id="ACME-2", packages=plain),
        ADVISORY.format(id="ACME-3", packages=stranger),
    )  # fmt: skip
    return f'<?xml version="1.0"?>\n<updates>{"".join(advisories)}</updates>'


@pytest.fixture
def make_press(
    make_world: Callable[..., World], signer: Signer, tmp_path: Path
) -> Callable[..., Press]:
    def make(**files: str) -> Press:
        extra_metadata = {}
        for kind, text in files.items():
            (tmp_path / f"{kind}.txt").write_text(text)
            extra_metadata[kind] = f"../{kind}.txt"
        world = make_world(extra_metadata=extra_metadata)
        return Press(
            world.hub,
            RepositoryWriter(tmp_path / "cache", world.hub.repos / ".pool"),
            signer,
            world.rpmbuild,
        )

    return make


def dnf(repository: Path, tmp_path: Path, *words: str) -> str:
    config = tmp_path / "dnf.conf"
    config.write_text("[main]\nreposdir=/nonexistent\npluginpath=/nonexistent\n")
    argv = ["dnf", "--quiet", f"--config={config}", f"--installroot={tmp_path}/root", f"--setopt=cachedir={tmp_path}/cache",
            f"--setopt=logdir={tmp_path}", f"--repofrompath=r,file://{repository}", "--setopt=module_platform_id=platform:el9",
            "--releasever=9", "--forcearch=x86_64", *words]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_dnf_finds_groups_advisories_and_modules(
    make_press: Callable[..., Press], tmp_path: Path
) -> None:
    press = make_press(comps=COMPS, updateinfo=updateinfo(), modules=MODULES)
    press.compared("zlib", Verdict.IDENTICAL)
    press.compared("toolkit", Verdict.IDENTICAL)
    press.compared("httpd", Verdict.EXPECTED, "1.0", "1.el9.reef.1")
    press.publish()
    repository = press.repository(DESTINATION)
    assert "Small tools" in dnf(repository, tmp_path, "group", "list")
    found = {
        one: dnf(repository, tmp_path, "repoquery", f"--advisory={one}").split()
        for one in ("ACME-1", "ACME-2")
    }
    assert found == {
        "ACME-1": ["httpd-0:1.0-1.el9.reef.1.noarch"],
        "ACME-2": ["zlib-0:1.0-1.el9.noarch"],
    }
    assert dnf(repository, tmp_path, "repoquery", "--cve=CVE-2026-0001").split() == [
        *found["ACME-1"],
        *found["ACME-2"],
    ]
    assert "ACME-3" not in advisories_of(repository)  # nothing of it is here
    assert "tools" in dnf(repository, tmp_path, "module", "list")
    assert "toolkit" not in dnf(
        repository, tmp_path, "repoquery"
    )  # dnf hides what is of a stream nobody enabled
    text = (repository / "repodata/repomd.xml").read_text()
    assert all(f'type="{kind}"' in text for kind in ("group", "updateinfo", "modules"))
    source = (press.repository(DESTINATION, "source") / "repodata/repomd.xml").read_text()
    assert 'type="group"' not in source


def test_a_changed_file_comes_to_users_by_itself(
    make_press: Callable[..., Press], tmp_path: Path
) -> None:
    press = make_press(comps=COMPS)
    press.compared("zlib", Verdict.IDENTICAL)
    press.publish()
    press.publish()
    assert press.repository(DESTINATION).parent.resolve().name == "1"
    (tmp_path / "comps.txt").write_text(COMPS.replace("Small tools", "Large tools"))
    press.publish()
    assert press.repository(DESTINATION).parent.resolve().name == "2"
    assert "Large tools" in dnf(press.repository(DESTINATION), tmp_path, "group", "list")


def advisories_of(repository: Path) -> str:
    (file,) = (repository / "repodata").glob("*-updateinfo.xml.gz")
    return gzip.decompress(file.read_bytes()).decode()


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("comps", "<metadata/>", "its root is <metadata>"), ("comps", "no xml", "no comps file"),
        ("modules", "a: b\n", "no modulemd document"), ("updateinfo", "<updates", "no updateinfo file"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_and_nothing_is_published(
    make_press: Callable[..., Press], kind: str, text: str, reason: str
) -> None:
    press = make_press(**{kind: text})
    press.compared("zlib", Verdict.IDENTICAL)
    with pytest.raises(InputError, match=reason):
        publishing.stage(press.hub, press.write, "reef-9", silent)
    assert press.generations("staged", "ready") == []  # type: ignore[arg-type]  # their words

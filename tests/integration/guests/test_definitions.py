"""Guest definitions: what is rendered from them is what cloud-init, the installer and libvirt
accept.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from buildfarm_workers.guests.image import definition, render
from buildfarm_workers.guests.image.definition import FromCloudImage, FromKickstart
from buildfarm_workers.guests.machine import acceleration
from jsonschema import Draft4Validator
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

from buildfarm.errors import ConfigError
from tests.conftest import CHECKOUT

FILES = [
    *sorted((CHECKOUT / "configs" / "guests").glob("*.yaml")),
    *sorted((CHECKOUT / "configs/demo/guests").glob("*.yaml")),
]
DEFINITIONS = [definition.load(file) for file in FILES]


@pytest.mark.parametrize("found", DEFINITIONS, ids=lambda found: str(found.name))
def test_libvirts_own_schema_accepts_the_domain(
    found: definition.GuestDefinition, tmp_path: Path
) -> None:
    if not shutil.which("virt-xml-validate") or not shutil.which("xmllint"):
        pytest.skip(
            "no virt-xml-validate (libvirt-clients) or xmllint (libxml2-utils) on this machine"
        )
    file = tmp_path / "domain.xml"
    file.write_text(render.domain_example(found))
    done = subprocess.run(
        ["virt-xml-validate", file, "domain"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    file.write_text(render.domain_example(found).replace("<os>", "<os><nonsense/>"))
    assert (
        subprocess.run(
            ["virt-xml-validate", file, "domain"], capture_output=True, check=False
        ).returncode
        != 0
    )


@pytest.fixture(scope="session")
def cloud_schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """cloud-init's schema, taken out of its package: installing it would have this machine
    configured at its next boot.
    """
    folder = tmp_path_factory.mktemp("cloud-init")
    done = subprocess.run(
        ["apt-get", "download", "-qq", "cloud-init"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"cloud-init's package cannot be had here: {done.stderr.strip()[:200]}")
    subprocess.run(
        ["dpkg-deb", "--extract", next(folder.glob("*.deb")), folder / "tree"], check=True
    )
    found = json.loads(next((folder / "tree").rglob("schema-cloud-config-v1.json")).read_text())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "found",
    [one for one in DEFINITIONS if isinstance(one.source, FromCloudImage)],
    ids=lambda one: str(one.name),
)
def test_cloud_inits_own_schema_accepts_the_user_data(
    found: definition.GuestDefinition, cloud_schema: dict[str, Any]
) -> None:
    assert isinstance(found.source, FromCloudImage)
    text = render.user_data(found, found.source)
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    validator = Draft4Validator(cloud_schema)
    assert not [error.message for error in validator.iter_errors(data)]
    assert [error.message for error in validator.iter_errors(data | {"runcmd": "not a list"})], (
        "the schema refuses nothing"
    )
    assert ["systemctl", "enable", "buildfarm-guest.service"] in data["runcmd"]
    assert ["setenforce", "1"] in data["runcmd"]


@pytest.mark.parametrize(
    "found",
    [one for one in DEFINITIONS if isinstance(one.source, FromKickstart)],
    ids=lambda one: str(one.name),
)
def test_the_installers_own_parser_accepts_the_kickstart_file(
    found: definition.GuestDefinition,
) -> None:
    assert isinstance(found.source, FromKickstart)
    parser = KickstartParser(makeVersion(found.source.version), errorsAreFatal=True)
    parser.readKickstartFromString(render.kickstart(found, found.source))
    assert parser.handler.selinux.selinux == 1, "enforcing"
    assert "mock" in parser.handler.packages.packageList
    assert any("buildfarm-worker.rpm" in script.script for script in parser.handler.scripts)


def test_everything_for_a_distributions_tools_is_written_with_the_call_that_takes_it(
    tmp_path: Path,
) -> None:
    found = next(one for one in DEFINITIONS if one.name == "centos-stream-9-kickstart")
    written = {file.name for file in render.write(found, tmp_path)}
    assert written == {"domain.xml", "inst.ks", "virt-install.sh"}
    call = (tmp_path / "virt-install.sh").read_text()
    assert "--location" in call
    assert "inst.ks=file:/inst.ks" in call
    assert "vnc,listen=127.0.0.1" in call


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"memory": 5}, "memory: Extra inputs are not permitted"),
        (
            {"source": {"kind": "cloud-image", "image": "x.qcow2"}},
            "source.cloud-image.sha256: Field required",
        ),
        ({"source": {"kind": "floppy"}}, "does not match any of the expected tags"),
        ({"name": "other"}, "names its guest 'other'"),
    ],
)
def test_a_wrong_definition_is_refused_with_file_and_key(
    change: dict[str, object], reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "reef-9.yaml"
    file.write_text(
        yaml.safe_dump(
            yaml.safe_load((CHECKOUT / "configs/demo/guests/reef-9.yaml").read_text()) | change
        )
    )
    with pytest.raises(ConfigError, match=str(file)) as caught:
        definition.load(file)
    assert reason in str(caught.value)


def test_the_kvm_probe_is_what_its_source_assembles_to(tmp_path: Path) -> None:
    if not shutil.which("gcc"):
        pytest.skip("no gcc on this machine")
    out = tmp_path / "probe"
    source = CHECKOUT / "workers" / "guest" / "kvm-probe.S"
    flags = [
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--oformat=binary,-Ttext=0x7c00,--build-id=none",
    ]
    subprocess.run(["gcc", *flags, source, "-o", out], check=True)
    assert out.read_bytes() == acceleration.PROBE


@pytest.mark.kvm
def test_the_probe_comes_back_from_an_emulated_machine_and_a_broken_one_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert acceleration.runs("tcg") == ""
    hanging = bytearray(acceleration.PROBE)
    hanging[0:2] = b"\xeb\xfe"  # jmp .
    monkeypatch.setattr(acceleration, "PROBE", bytes(hanging))
    assert "hangs" in acceleration.runs("tcg")

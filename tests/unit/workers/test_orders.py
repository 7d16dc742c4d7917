"""What a work order becomes: macros, dnf's configuration, mock's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from buildfarm_workers.builders import macros
from buildfarm_workers.builders.buildroot import dnf
from buildfarm_workers.builders.mock import configuration
from buildfarm_workers.builders.port import BuildFailed

from buildfarm import wire
from buildfarm.domain.build.mock_configuration import MockConfig, MockRepository, render


def order(**more: object) -> wire.WorkOrder:
    return wire.WorkOrder.model_validate({
        "task": "t", "kind": "build", "build": "b", "target": "reef-9", "nvr": "x-1-1.el9", "arch": "x86_64",
        "payload": {"sha256": "0" * 64, "filename": "x-1-1.el9.src.rpm", "size": 1},
        "buildroot": {
            "key": "0123456789abcdef", "generation": "g7", "packages": ["bash", "gcc"],
            "repositories": [
                {"id": "own", "baseurl": "http://hub/7", "priority": 10, "gpgcheck": True, "repo_gpgcheck": True, "gpgkey": "http://hub/key"},
                {"id": "seed", "baseurl": "file:///seed", "priority": 90},
            ],
        },
        "macros": {"dist": ".el9", "%vendor": "Reef"},
        **more,
    })  # fmt: skip


def evaluate(text: str) -> dict[str, object]:
    """What mock would have in config_opts (before Jinja)."""
    config_opts: dict[str, object] = {
        "macros": {},
        "environment": {},
        "plugin_conf": {"root_cache_opts": {}},
    }
    exec(compile(text, "mock.cfg", "exec"), {"config_opts": config_opts})
    return config_opts


def test_the_override_has_the_last_word_on_macros() -> None:
    text = macros.rpmmacros(
        order(override={"macros": {"dist": ".el9_4", "long": "a\nb"}, "reason": "r"}),
        dbpath="/var/lib/rpm",
    )
    assert "%dist .el9_4\n" in text
    assert "%long a\\\nb\n" in text
    assert "%vendor Reef\n" in text
    assert "%_topdir /builddir/build\n" in text


def test_what_the_builder_needs_cannot_be_overridden() -> None:
    text = macros.rpmmacros(
        order(override={"macros": {"_topdir": "/etc"}, "reason": "r"}), dbpath="/var/lib/rpm"
    )
    assert "/etc" not in text


def test_a_macro_whose_name_is_none_fails_the_build_with_its_name() -> None:
    with pytest.raises(BuildFailed, match="not a macro's name: 'a b'"):
        macros.rpmmacros(order(macros={"a b": "x"}), dbpath="/x")


def test_conditions_become_rpmbuilds_options() -> None:
    made = order(override={"with_": ["a"], "without": ["b-c"], "nocheck": True, "reason": "r"})
    assert macros.options(made) == ["--with=a", "--without=b-c", "--nocheck"]


def test_dnf_sees_the_orders_repositories_and_no_other() -> None:
    text = dnf.configuration(order().buildroot)
    assert "reposdir=/dev/null" in text
    assert (
        "[own]\nname=own\nbaseurl=http://hub/7\npriority=10\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=http://hub/key\n"
        in text
    )
    assert "[seed]\nname=seed\nbaseurl=file:///seed\npriority=90\ngpgcheck=0\n" in text


def test_an_order_renders_to_a_mock_configuration() -> None:
    made = order(
        override={"with_": ["a-b"], "nocheck": True, "network": True, "reason": "r"},
        source_date_epoch=5,
        limits={"seconds": 60},
    )
    options = evaluate(
        render(configuration(made, basedir=Path("/w"), cache=Path("/c"), isolation="simple"))
    )
    assert options["root"] == "reef-9-x86_64-0123456789abc"
    assert options["chroot_setup_cmd"] == "install bash gcc"
    assert (options["check"], options["rpmbuild_networking"], options["rpmbuild_timeout"]) == (
        False,
        True,
        60,
    )
    assert options["environment"] == {"SOURCE_DATE_EPOCH": "5"}
    assert isinstance(options["macros"], dict)
    assert options["macros"]["%dist"] == ".el9"
    assert options["macros"]["%_with_a_b"] == "--with-a-b"
    assert "priority=10" in str(options["dnf.conf"])


def test_a_macro_that_looks_like_jinja_reaches_mock_unchanged() -> None:
    jinja = pytest.importorskip("jinja2")
    body = "%{?with_x:%{{}} {%y%}}"
    text = render(
        MockConfig(
            root="r",
            arch="x86_64",
            packages=(),
            repositories=(),
            releasever="9",
            macros={"odd": body},
        )
    )
    found = evaluate(text)["macros"]
    assert isinstance(found, dict)
    assert jinja.Template(found["%odd"]).render() == body


def test_a_plain_configuration_leaves_mocks_own_places_alone() -> None:
    repo = MockRepository(
        id="baseos", baseurl="http://x/$basearch", gpgcheck=True, gpgkey="file:///k"
    )
    options = evaluate(
        render(
            MockConfig(
                root="r", arch="x86_64", packages=("bash",), repositories=(repo,), releasever="9.4"
            )
        )
    )
    assert "basedir" not in options
    assert "module_platform_id=platform:el9\n" in str(options["dnf.conf"])
    assert "gpgkey=file:///k" in str(options["dnf.conf"])

"""The demo's data agree with each other, and the pure parts of the repacking say what they should."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from demo.world import repack, vendor

PINS = yaml.safe_load((vendor.SPECS / "sources.yaml").read_text(encoding="utf-8"))
BUILT = [name for wave in vendor.WAVES for name in wave]
GENERATED = {"strayware", "tampered"}
"""SRPMs that are made from another's spec; they have no folder of their own."""


def spec_of(name: str) -> str:
    return (vendor.SPECS / name / f"{name}.spec").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(PINS))
def test_a_pinned_archive_is_the_spec_s_first_source(name: str) -> None:
    assert re.search(rf"^Source0:\s+{re.escape(PINS[name]['file'])}$", spec_of(name), re.MULTILINE)
    assert re.fullmatch(r"[0-9a-f]{64}", PINS[name]["sha256"])


def test_every_source_of_the_drop_has_an_expected_outcome_and_the_other_way_round() -> None:
    expected = json.loads((vendor.SPECS / "expected.json").read_text(encoding="utf-8"))
    assert set(expected) == {*BUILT, *vendor.UNBUILT} | GENERATED


def test_every_spec_is_part_of_the_drop() -> None:
    assert {path.parent.name for path in vendor.SPECS.glob("*/*.spec")} == {*BUILT, *vendor.UNBUILT}


def test_a_devel_rpm_of_the_chain_is_nothing_the_seed_offers() -> None:
    plan = yaml.safe_load((Path(repack.__file__).parent / "seed.yaml").read_text(encoding="utf-8"))
    offered = {*plan["roots"], *(name for names in plan["provides"].values() for name in names)}
    assert offered.isdisjoint(
        {"zlib-devel", "zlib1g-dev", "libpng-devel", "libpng-dev", "pkgconfig(libpng)"}
    )


def test_a_link_of_the_chain_is_built_in_a_later_wave_than_what_it_requires() -> None:
    wave_of = {name: number for number, wave in enumerate(vendor.WAVES) for name in wave}
    assert wave_of["zlib"] < wave_of["libpng"] < min(wave_of["qrencode"], wave_of["optipng"])


@pytest.mark.parametrize(
    ("debian", "rpm"),
    [
        ("1:2.36-9+deb12u10", ("2.36", "9+deb12u10")),
        ("5.2.15-2+b13", ("5.2.15", "2+b13")),
        ("2024a", ("2024a", "1")),
        ("1.2-rc1-3", ("1.2.rc1", "3")),
    ],
)
def test_a_version_is_split_into_what_rpm_accepts(debian: str, rpm: tuple[str, str]) -> None:
    assert repack.split_version(debian) == rpm


def test_of_several_alternatives_the_first_one_in_the_seed_is_required() -> None:
    control = {"Depends": "mawk | gawk (>= 1), make:any", "Pre-Depends": "bash (>= 5)"}
    assert repack.requires_of(control, {"gawk", "make", "bash"}) == ["bash", "gawk", "make"]


def test_a_library_that_the_drop_rebuilds_is_required_by_its_soname_only() -> None:
    control = {"Depends": "zlib1g (>= 1:1.2.3), libpopt0, libc6"}
    assert repack.requires_of(control, {"zlib1g", "libpopt0", "libc6"}) == ["libc6"]

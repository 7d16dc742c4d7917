"""EVR order: rpm itself is the oracle."""

import rpm
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.domain.core.nevra import EVR, split_filename

parts = st.text(alphabet="019aAbz.~^_+", min_size=1, max_size=8)


@given(parts, parts, parts, parts)
def test_order_and_equality_are_rpms_own(v1: str, r1: str, v2: str, r2: str) -> None:
    ours, theirs = EVR(version=v1, release=r1), EVR(version=v2, release=r2)
    expected = rpm.labelCompare(("0", v1, r1), ("0", v2, r2))
    assert (ours > theirs) - (ours < theirs) == expected


@given(parts, parts)
def test_equal_evrs_hash_alike(version: str, other: str) -> None:
    first, second = EVR(version=version, release="1"), EVR(version=other, release="1")
    assert first != second or hash(first) == hash(second)


def test_a_missing_epoch_is_zero_and_epoch_outranks_version() -> None:
    assert EVR.parse("1.0-1") == EVR.parse("0:1.0-1")
    assert EVR.parse("1:0.1-1") > EVR.parse("9.9-1")


def test_a_file_name_is_split_from_the_right() -> None:
    assert split_filename("xorg-x11-drv-nouveau-1.0.17-4.el9.src.rpm")[:3] == (
        "xorg-x11-drv-nouveau",
        "1.0.17",
        "4.el9",
    )

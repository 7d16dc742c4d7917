"""Filters that are put together at run time name fields that exist."""

import pytest

from buildfarm.domain.core.build import Build
from buildfarm.ports.store import matching


def test_a_filter_is_what_was_given():
    assert matching(Build, source="zlib", superseded=False) == {
        "source": "zlib",
        "superseded": False,
    }


def test_a_field_that_the_record_lacks_is_named():
    with pytest.raises(TypeError, match="Build has no field colour"):
        matching(Build, colour="zlib")

"""What of a repository's metadata is taken, and when the next look is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.intake.polling import ListedRpm, findings
from buildfarm.domain.target.trigger import pause


def listed(name: str, version: str, arch: str = "src", of: str = "") -> ListedRpm:
    evr = EVR(version=version, release="1.el9")
    return ListedRpm(
        name=name, evr=evr, arch=arch, sha256=f"{name}-{version}.{arch}", size=1, source_rpm=of,
        url=f"https://vendor.example/{name}-{version}-1.el9.{arch}.rpm",
    )  # fmt: skip


OLD, NEW, OTHER = listed("zlib", "1.2.9"), listed("zlib", "1.2.10"), listed("tree", "1")
OLD_BINARY = listed("zlib-devel", "1.2.9", "x86_64", of=OLD.filename)
NEW_BINARY, FOREIGN = (
    listed("zlib-devel", "1.2.10", arch, of=NEW.filename) for arch in ("x86_64", "s390x")
)
ALL = [NEW, OLD, OTHER, OLD_BINARY, NEW_BINARY, FOREIGN]


def names(rpms: tuple[ListedRpm, ...]) -> set[str]:
    return {rpm.sha256 for rpm in rpms}


def test_the_first_look_takes_the_newest_of_each_source_with_its_binaries_and_passes_the_rest_over():
    found = findings(ALL, arches=["x86_64"], seen=(), sent=(), first=True)
    assert names(found.taken) == names((NEW, OTHER, NEW_BINARY))
    assert names(found.passed_over) == names((OLD, OLD_BINARY, FOREIGN))


def test_later_looks_take_all_that_was_not_seen():
    found = findings(ALL, arches=["x86_64"], seen={OTHER.sha256}, sent=(), first=False)
    assert names(found.taken) == names((OLD, NEW, OLD_BINARY, NEW_BINARY))


def test_the_first_look_at_a_repository_of_binaries_takes_those_of_sources_that_were_sent():
    found = findings(
        [OLD_BINARY, NEW_BINARY], arches=["x86_64"], seen=(), sent={NEW.filename}, first=True
    )
    assert names(found.taken) == {NEW_BINARY.sha256}


def test_a_first_look_that_skips_takes_nothing_and_sees_everything():
    found = findings(ALL, arches=["x86_64"], seen=(), sent=(), first=True, skip=True)
    assert (found.taken, names(found.passed_over)) == ((), names(tuple(ALL)))


@given(
    st.lists(st.sampled_from(ALL)),
    st.sets(st.sampled_from([rpm.sha256 for rpm in ALL])),
    st.booleans(),
    st.booleans(),
)
def test_every_new_file_is_taken_or_passed_over_once_and_nothing_seen_comes_again(
    rpms, seen, first, skip
):
    found = findings(rpms, arches=["x86_64"], seen=seen, sent=(), first=first, skip=skip)
    both = [rpm.sha256 for rpm in (*found.taken, *found.passed_over)]
    assert sorted(both) == sorted({rpm.sha256 for rpm in rpms} - seen)


@given(
    st.floats(1, 1e6), st.integers(0, 10_000), st.floats(0, 0.999), st.none() | st.floats(0, 1e9)
)
def test_a_pause_is_never_short_after_a_failure_and_never_longer_than_a_day_and_a_tenth(
    interval, failures, chance, retry_after
):
    found = pause(interval, failures, chance, retry_after=retry_after)
    assert found >= (30 if failures else interval * 0.9)
    assert found <= max(interval * 1.1, 24 * 3600)
    if retry_after is not None:
        assert found >= min(retry_after, 24 * 3600)

"""A digest is short whatever happened, and says first what wants a person."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.notify.digest import Pace, due_at
from buildfarm.domain.notify.notice import Notice, Topic
from buildfarm.domain.notify.subscription import MOST_ATTEMPTS, pause_after
from buildfarm.domain.target.allowed_url import AllowedUrl, is_public
from buildfarm.presentation.notice_texts import digest_subject, digest_text

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def notice(
    number: int, topic: Topic = Topic.PUBLISHED, *, after: float = 0, why: str = ""
) -> Notice:
    return Notice(
        id=number, at=NOON + timedelta(seconds=after), topic=topic, kind=f"build.{topic}", subject=f"b{number}",
        name=f"source{number}-1-1.el9", target="reef-9", source=f"source{number}", why=why,
    )  # fmt: skip


def failed(number: int, reason: str) -> Build:
    return Build(
        id=f"b{number}", target="reef-9", drop_id="d", source=f"source{number}", epoch=0, version="1", release="1.el9",
        dist=".el9", srpm="s", srpm_filename="s.src.rpm", state=BuildState.FAILED, failure_kind="build", reason=reason,
        state_since=NOON, owner="ann", created=NOON,
    )  # fmt: skip


def test_eighty_failures_of_one_cause_and_three_thousand_published_fit_on_a_screen() -> None:
    causes = clusters(
        [failed(n, f"gcc-x crashed at /builddir/a{n}.c:{n}") for n in range(100, 180)]
        + [failed(99, "no space")]
    )
    told = [notice(n, Topic.FAILED, why="gcc-x crashed") for n in range(100, 180)] + [
        notice(99, Topic.FAILED, why="no space")
    ]
    told += [notice(1000 + n) for n in range(3000)]
    text = digest_text(told, causes, url="https://reef.example")
    assert len(text.splitlines()) < 40
    assert text.startswith("failed (81)\n  80 builds fail because of: gcc-x crashed at …")
    assert "source99-1-1.el9: no space" in text
    assert "and 2980 more" in text
    assert digest_subject(told) == "reef-9: 81 failed, 3000 published"


def test_a_failure_that_was_retried_meanwhile_is_told_all_the_same() -> None:
    text = digest_text([notice(1, Topic.FAILED, why="it broke")], (), url="https://reef.example")
    assert text == "failed (1)\n  source1-1-1.el9: it broke\n    https://reef.example/builds/b1\n"


@settings(max_examples=40)
@given(st.text(max_size=400))
def test_no_reason_breaks_a_line_or_carries_control_characters(why: str) -> None:
    text = digest_text([notice(1, Topic.ON_HOLD, why=why)], (), url="u")
    assert len(text.splitlines()) == 3
    assert all(letter.isprintable() or letter == "\n" for letter in text)


@settings(max_examples=40)
@given(
    st.lists(st.floats(0, 10_000), min_size=1, max_size=20),
    st.one_of(st.none(), st.floats(-5000, 0)),
)
def test_a_digest_is_never_sooner_than_allowed_and_never_put_off_for_ever(
    when: list[float], last: float | None
) -> None:
    pace = Pace()
    told = [notice(number, after=after) for number, after in enumerate(when)]
    sent = NOON + timedelta(seconds=last) if last is not None else None
    due = due_at(told, sent, pace)
    oldest = min(one.at for one in told)
    assert due <= max(oldest + pace.longest, sent + pace.least if sent else oldest)
    assert sent is None or due >= sent + pace.least


def test_pauses_grow_and_end_within_two_days() -> None:
    pauses = [pause_after(tries, 0.0) for tries in range(1, MOST_ATTEMPTS)]
    assert all(pause is not None for pause in pauses)
    known = [pause for pause in pauses if pause is not None]
    assert known == sorted(known)
    assert timedelta(days=1) < sum(known, timedelta()) < timedelta(days=2)
    assert pause_after(MOST_ATTEMPTS, 0.0) is None


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::", "::1", "fe80::1", "fd00::1", "::ffff:192.168.1.1", "64:ff9b::a00:1", "2002:7f00:1::", "ff02::1"],
)  # fmt: skip
def test_what_is_not_the_internets_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"]
)
def test_what_is_the_internets_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "prefix", "excepted"),
    [
        ("http://chat.internal:8065/hooks/x", "http://chat.internal:8065/hooks/", True),
        ("http://chat.internal:8065/hooks", "http://chat.internal:8065/hooks/", True),
        ("http://chat.internal:8065/hooks-of-others", "http://chat.internal:8065/hooks", False),
        ("http://chat.internal:8065/admin", "http://chat.internal:8065/hooks/", False),
        ("https://chat.internal:8065/hooks/x", "http://chat.internal:8065/hooks/", False),
        ("http://chat.internal/x", "http://chat.internal:80", True),
    ],
)
def test_an_exception_is_for_its_host_port_and_path_alone(
    url: str, prefix: str, *, excepted: bool
) -> None:
    assert AllowedUrl(prefix=prefix).covers(url) is excepted

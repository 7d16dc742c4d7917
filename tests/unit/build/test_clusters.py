"""One cause is one cluster: what differs between builds of one failure is taken out, what tells
causes apart stays.
"""

from datetime import UTC, datetime

import pytest

from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.core.build import Build, BuildState


def failed(
    source: str, reason: str, *, version: str = "1.0", kind: str = "build", minute: int = 0
) -> Build:
    when = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
    return Build(
        id=f"{source}-{version}-{minute}", target="t", drop_id="d", source=source, epoch=0, version=version, release="1.el9", dist=".el9",
        srpm="0" * 64, srpm_filename=f"{source}-{version}-1.el9.src.rpm", state=BuildState.FAILED, state_since=when,
        reason=reason, failure_kind=kind, owner="ann", created=when,
    )  # fmt: skip


ALIKE = [
    ("%build: /builddir/build/BUILD/zlib-1.2.13/gz.c:12:6: error: implicit declaration of function 'gone'",
     "%build: /builddir/build/BUILD/popt-1.19/src/p.c:7:1: error: implicit declaration of function 'gone'"),
    ("needs gcc-x from gcc-11.4.1-2.el9: failed", "needs gcc-x from gcc-11.4.1-3.el9: failed"),
    ("zlib-1.0-1.el9 ran out of 4096 MiB", "popt-1.0-1.el9 ran out of 8192 MiB"),
    ("checksum 0f3a9c1b2d4e5f60 of zlib differs", "checksum 99aabbccddeeff00 of popt differs"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "two"), ALIKE)
def test_builds_that_failed_alike_are_one_cluster_with_the_oldest_as_its_example(
    one: str, two: str
):
    (cluster,) = clusters([failed("popt", two, minute=5), failed("zlib", one, minute=2)])
    assert [build.source for build in cluster.builds] == ["zlib", "popt"]
    assert cluster.example == one


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            "fatal error: /usr/include/zlib.h: No such file",
            "fatal error: /usr/include/png.h: No such file",
        ),
        ("cannot find /usr/lib64/liba.so.1", "cannot find /usr/lib64/libb.so.1"),
        ("undefined reference to 'f'", "undefined reference to 'g'"),
        ("tests failed", "install failed"),
    ],
)
def test_other_causes_are_other_clusters(one: str, two: str):
    assert len(clusters([failed("a", one), failed("b", two)])) == 2


def test_another_kind_of_failure_is_another_cluster_and_the_largest_comes_first():
    found = clusters(
        [failed("a", "x", kind="chroot"), failed("b", "x"), failed("c", "x", minute=1)]
    )
    assert [(cluster.kind, len(cluster.builds)) for cluster in found] == [
        ("build", 2),
        ("chroot", 1),
    ]


def test_a_clusters_id_does_not_depend_on_who_is_in_it():
    alone, both = (
        clusters([failed("a", "broke 7")]),
        clusters([failed("b", "broke 9"), failed("c", "broke 8")]),
    )
    assert alone[0].id == both[0].id

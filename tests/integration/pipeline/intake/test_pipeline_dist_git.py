"""Sources from dist-git: a real git repository, a lookaside folder, and what becomes of a drop that
names a commit.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from buildfarm.adapters.intake import dist_git
from buildfarm.adapters.intake.rpm_verify import verify_many
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import Event
from buildfarm.domain.intake.drop import Drop, DropItem, DropState, ItemKind
from buildfarm.errors import InfraError, InputError
from buildfarm.services.intake import drops, ingesting
from buildfarm.services.intake.drops import Offered
from tests.integration.pipeline.conftest import World, spec

SOURCE = b"a tarball, as far as anybody looks"


def git(folder: Path, *words: str) -> str:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
           "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z"}  # fmt: skip
    names = (
        "-c",
        "user.name=Ann",
        "-c",
        "user.email=ann@example.org",
        "-c",
        "init.defaultBranch=el-9",
    )
    done = subprocess.run(
        ["git", *names, *words], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def upstream(tmp_path):
    """A dist-git with one source, its tarball in the lookaside cache."""
    repository, lookaside = tmp_path / "git" / "hello", tmp_path / "lookaside"
    (repository / "SPECS").mkdir(parents=True)
    lookaside.mkdir()
    (lookaside / "hello-1.0.tar.gz").write_bytes(SOURCE)
    text = spec(
        "hello",
        "1.0",
        "3%{?dist}",
        "BuildArch: noarch",
        "Source0: hello-1.0.tar.gz",
        "BuildRequires: made-up-tool >= 2",
    )
    (repository / "SPECS" / "hello.spec").write_text(text)
    (repository / ".hello.metadata").write_text(
        f"{hashlib.sha1(SOURCE).hexdigest()} SOURCES/hello-1.0.tar.gz\n"
    )
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Import hello-1.0-3.el9")
    return tmp_path


@pytest.fixture
def farm(upstream, make_world):
    where = {"url": str(upstream / "git" / "{source}"), "lookaside": str(upstream / "lookaside")}
    return make_world(
        upstream={"vendor": "ACME", "keys": ["keys/RPM-GPG-KEY-acme"], "dist_git": where}
    )


def commit_of(upstream: Path) -> str:
    return git(upstream / "git" / "hello", "rev-parse", "HEAD")


def ingest(world: World, *names: str) -> Drop:
    offered = [Offered(kind=ItemKind.DIST_GIT, filename=name) for name in names]
    drop = drops.receive(world.hub, "reef-9", offered, trigger="test", actor="ann").drop
    ingesting.ingest(world.hub, verify_many, dist_git.checkout, drop.id, lambda _: None)
    with world.hub.store.read() as tx:
        return tx.get(Drop, drop.id)


def builds_of(world: World) -> list[Build]:
    with world.hub.store.read() as tx:
        return tx.find(Build, order_by="source")


def test_a_source_at_a_commit_becomes_a_build_that_says_where_it_is_from(farm, upstream):
    commit = commit_of(upstream)
    assert ingest(farm, f"hello@{commit}").state is DropState.INGESTED
    (build,) = builds_of(farm)
    assert (build.source, build.version, build.release, build.state) == (
        "hello",
        "1.0",
        "3.el9",
        BuildState.INGESTED,
    )
    assert build.signed_by == f"dist-git {commit[:12]}"
    assert any("made-up-tool" in requirement for requirement in build.requires)
    listed = subprocess.run(
        ["rpm", "-qpl", farm.hub.blobs.path(build.srpm)], capture_output=True, text=True, check=True
    )
    assert sorted(listed.stdout.split()) == ["hello-1.0.tar.gz", "hello.spec"]
    assert not list(farm.hub.scratch.glob("dist-git-*"))


def test_the_same_commit_is_the_same_drop_and_gives_the_same_bytes(farm, upstream, tmp_path):
    commit = commit_of(upstream)
    first = ingest(farm, f"hello@{commit}")
    assert ingest(farm, f"hello@{commit}").id == first.id
    place = farm.hub.target("reef-9").upstream.dist_git
    made = []
    for name in ("a", "b"):
        with dist_git.checkout(
            place, "hello", commit, macros={"dist": ".el9"}, work=tmp_path / name
        ) as srpm:
            made.append(hashlib.sha256(srpm.read_bytes()).hexdigest())
    assert made[0] == made[1] == builds_of(farm)[0].srpm


def test_a_file_that_is_not_what_the_tree_says_is_refused_with_both_digests(farm, upstream):
    (upstream / "lookaside" / "hello-1.0.tar.gz").write_bytes(b"something else")
    drop = ingest(farm, f"hello@{commit_of(upstream)}")
    assert builds_of(farm) == []
    with farm.hub.store.read() as tx:
        (item,) = tx.find(DropItem, drop_id=drop.id)
        assert tx.count(Event, kind="dist_git.refused") == 1
    assert hashlib.sha1(SOURCE).hexdigest() in item.problem
    assert hashlib.sha1(b"something else").hexdigest() in item.problem


@pytest.mark.parametrize("name", ["hello@" + "0" * 40, "nothing@" + "1" * 40])
def test_what_is_not_there_is_refused_and_the_others_go_on(farm, upstream, name):
    drop = ingest(farm, name, f"hello@{commit_of(upstream)}")
    assert [build.source for build in builds_of(farm)] == ["hello"]
    with farm.hub.store.read() as tx:
        problems = [item.problem for item in tx.find(DropItem, drop_id=drop.id) if item.problem]
    assert len(problems) == 1
    assert name.partition("@")[0] in problems[0]


def test_a_hook_a_link_and_another_transport_do_nothing(farm, upstream, tmp_path):
    repository = upstream / "git" / "hello"
    (repository / "SOURCES").mkdir()
    (repository / "SOURCES" / "passwd").symlink_to("/etc/passwd")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Add a link out of the tree")
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    place = farm.hub.target("reef-9").upstream.dist_git
    with dist_git.checkout(
        place, "hello", commit_of(upstream), macros={"dist": ".el9"}, work=tmp_path / "w"
    ) as srpm:
        held = subprocess.run(
            ["rpm2archive", "-n", "-"], input=srpm.read_bytes(), capture_output=True, check=True
        ).stdout
    assert b"root:" not in held  # the link is a text file that holds its target's name
    assert not (tmp_path / "hooked").exists()
    outside = type(place)(url=f"ext::touch% {tmp_path}/ran", lookaside="")
    with (
        pytest.raises((InputError, InfraError)),
        dist_git.checkout(outside, "hello", "1" * 40, macros={}, work=tmp_path / "w"),
    ):
        pass
    assert not (tmp_path / "ran").exists()


def test_a_target_without_dist_git_says_so(world: World):
    with pytest.raises(InputError, match=r"reef-9 names no dist-git"):
        drops.receive(
            world.hub,
            "reef-9",
            [Offered(kind=ItemKind.DIST_GIT, filename="hello@" + "1" * 40)],
            trigger="t",
            actor="ann",
        )

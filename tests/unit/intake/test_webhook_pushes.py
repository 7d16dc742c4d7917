"""What a forge's push says.

The bodies are shortened from the forges' own documentation and source.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildfarm.domain.intake.webhook import Message, Push, push_of, source_of
from buildfarm.domain.target.trigger import Forge
from buildfarm.errors import InputError

COMMIT, TAG, NOTHING = (
    "da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
    "82b3d5ae55f7080f1e6022629cdb57bfae7cccc7",
    "0" * 40,
)


def message(event: dict[str, str], body: Any) -> Message:
    return Message(headers=event, body=json.dumps(body).encode(), now=0)


def gitlab(**changed: Any) -> Message:
    project = {
        "web_url": "https://gitlab.com/redhat/centos-stream/rpms/tree",
        "git_ssh_url": "git@gitlab.com:redhat/centos-stream/rpms/tree.git",
        "git_http_url": "https://gitlab.com/redhat/centos-stream/rpms/tree.git", "path_with_namespace": "redhat/centos-stream/rpms/tree",
    }  # fmt: skip
    sent = {
        "object_kind": "push",
        "before": NOTHING,
        "after": COMMIT,
        "ref": "refs/heads/c9s",
        "checkout_sha": COMMIT,
        "project": project,
    }
    return message({"x-gitlab-event": "Push Hook"}, {**sent, **changed})


def github(**changed: Any) -> Message:
    repository = {
        "name": "tree", "full_name": "rpms/tree", "html_url": "https://github.com/rpms/tree", "ssh_url": "git@github.com:rpms/tree.git",
        "clone_url": "https://github.com/rpms/tree.git", "url": "https://api.github.com/repos/rpms/tree",
    }  # fmt: skip
    sent = {
        "ref": "refs/heads/c9",
        "before": TAG,
        "after": COMMIT,
        "deleted": False,
        "repository": repository,
        "head_commit": {"id": COMMIT},
    }
    return message({"x-github-event": "push"}, {**sent, **changed})


def gitea(**changed: Any) -> Message:
    repository = {
        "full_name": "rpms/tree", "html_url": "https://git.almalinux.org/rpms/tree", "ssh_url": "ssh://git@git.almalinux.org:2222/rpms/tree.git",
        "clone_url": "https://git.almalinux.org/rpms/tree.git",
    }  # fmt: skip
    sent = {
        "ref": "refs/heads/c9",
        "before": TAG,
        "after": COMMIT,
        "repository": repository,
        "pusher": {"login": "bot"},
    }
    return message({"x-gitea-event": "push", "x-github-event": "push"}, {**sent, **changed})


def pagure(topic: str = "git.receive", **changed: Any) -> Message:
    repo = {
        "name": "tree",
        "namespace": "rpms",
        "fullname": "rpms/tree",
        "full_url": "https://git.centos.org/rpms/tree",
    }
    msg = {
        "repo": repo,
        "branch": "c9",
        "start_commit": TAG,
        "end_commit": COMMIT,
        "pagure_instance": "https://git.centos.org/",
    }
    return message(
        {}, {"topic": topic, "msg_id": "2026-x", "timestamp": 1, "i": 1, "msg": {**msg, **changed}}
    )


@pytest.mark.parametrize(
    ("forge", "sent", "ref", "dist_git"),
    [
        (
            Forge.GITLAB,
            gitlab(),
            "refs/heads/c9s",
            "https://gitlab.com/redhat/centos-stream/rpms/{source}",
        ),
        (Forge.GITHUB, github(), "refs/heads/c9", "ssh://git@github.com/rpms/{source}"),
        (Forge.GITEA, gitea(), "refs/heads/c9", "https://git.almalinux.org/rpms/{source}.git"),
        (Forge.PAGURE, pagure(), "refs/heads/c9", "https://git.centos.org/rpms/{source}.git"),
        (
            Forge.PAGURE,
            pagure("io.pagure.prod.pagure.git.receive"),
            "refs/heads/c9",
            "https://git.centos.org/rpms/{source}.git",
        ),
    ],
)
def test_a_push_names_its_source_its_ref_and_its_commit(forge, sent, ref, dist_git):
    push = push_of(forge, sent)
    assert isinstance(push, Push)
    assert (push.ref, push.commit, source_of(push.urls, dist_git)) == (ref, COMMIT, "tree")


@pytest.mark.parametrize(
    ("forge", "sent"),
    [
        (
            Forge.GITLAB,
            gitlab(object_kind="tag_push", ref="refs/tags/imports/c9/tree-1.8", after=TAG),
        ),
        (Forge.GITHUB, github(ref="refs/tags/imports/c9/tree-1.8", after=TAG)),
        (Forge.PAGURE, pagure("git.tag.creation", tag="imports/c9/tree-1.8", rev=COMMIT)),
    ],
)
def test_of_an_annotated_tag_the_commit_counts_and_not_the_tag_object(forge, sent):
    push = push_of(forge, sent)
    assert isinstance(push, Push)
    assert (push.ref, push.commit) == ("refs/tags/imports/c9/tree-1.8", COMMIT)


@pytest.mark.parametrize(
    ("forge", "sent", "why"),
    [
        (Forge.GITHUB, github(deleted=True, after=NOTHING, head_commit=None), "deleted"),
        (Forge.GITLAB, gitlab(after=NOTHING, checkout_sha=None), "deleted"),
        (Forge.GITEA, gitea(after=NOTHING), "deleted"),
        (Forge.GITHUB, message({"x-github-event": "ping"}, {"zen": "Speak like a human."}), "ping"),
        (Forge.GITEA, message({"x-gitea-event": "issues"}, {}), "issues"),
        (Forge.PAGURE, pagure("pull-request.new"), "pull-request.new"),
        (Forge.GITLAB, message({}, {}), "not named"),
    ],
)
def test_what_is_no_push_is_nothing_to_do_and_says_why(forge, sent, why):
    found = push_of(forge, sent)
    assert isinstance(found, str)
    assert why in found


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"ref": "refs/heads/c9", "after": "HEAD", "repository": {}}']
)
def test_a_body_that_is_no_push_of_its_forge_is_refused(body):
    with pytest.raises(InputError):
        push_of(Forge.GITHUB, Message(headers={"x-github-event": "push"}, body=body, now=0))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/rpms/tree.git", "https://git.example.org.evil.example/rpms/tree", "https://git.example.org/rpms/../tree",
        "https://git.example.org/rpms/tree/../../etc", "https://git.example.org/other/tree.git", "https://git.example.org/rpms/",
        "https://git.example.org/rpms/-oProxyCommand=x", "https://git.example.org/rpms/a b", "file:///rpms/tree",
        "https://git.example.org@evil.example/rpms/tree",
    ],
)  # fmt: skip
def test_a_repository_that_is_not_the_targets_names_no_source(url):
    assert source_of([url], "https://git.example.org/rpms/{source}.git") == ""

"""The worker's YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest
from buildfarm_workers import config as configuration
from buildfarm_workers.main import exit_code

from buildfarm.domain.core.build import FailureKind
from buildfarm.errors import ConfigError

GOOD = """\
name: w1
hub_url: http://127.0.0.1:8080
token: the-secret-token
redis: {url: "redis://w-w1:pw@127.0.0.1:6379/0", prefix: "bf:w:w1:"}
queues: [reef-9.x86_64.small]
arches: [x86_64]
workdir: work
security: {key: keys/w1.key, certificate: keys/w1.crt, hub_certificates: trusted}
"""


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "worker.yaml"
    file.write_text(text)
    return file


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = configuration.load(write(tmp_path, GOOD))
    assert config.workdir == tmp_path / "work"
    assert config.security is not None
    assert config.security.hub_certificates == tmp_path / "trusted"
    assert (config.slots, config.builder) == (1, "chroot")


def test_keys_that_are_not_there_are_named(tmp_path: Path) -> None:
    found = configuration.problems(configuration.load(write(tmp_path, GOOD)))
    assert [problem.split(": ")[0] for problem in found] == ["security"] * 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: w1", "name: ../w1", "name"),
        ("workdir: work", "workdir: work\nslotz: 2", "slotz"),
        ("arches: [x86_64]", "arches: []", "arches"),
        ("token: the-secret-token", "token: {a: the-secret-token}", "token"),
        ("name: w1", "name: [", "not YAML"),
    ],
)
def test_what_is_wrong_is_named_without_the_token(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        configuration.load(write(tmp_path, GOOD.replace(old, new)))
    assert said in str(error.value)
    assert "the-secret-token" not in str(error.value)


def test_a_missing_file_is_an_error_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        configuration.load(tmp_path / "none.yaml")


def test_the_exit_code_is_mocks() -> None:
    assert [
        exit_code(kind)
        for kind in (None, FailureKind.BUILD, FailureKind.TIMEOUT, FailureKind.BAD_SRPM)
    ] == [0, 10, 11, 40]

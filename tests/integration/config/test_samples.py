"""Every sample in configs/ is loaded, rendered and parsed; the compose file is valid."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import click
import pytest
import redis.connection
import sqlalchemy as sa
import yaml

from buildfarm import bootstrap, config
from buildfarm.cli.farm import processes
from buildfarm.cli.main import cli
from buildfarm.domain.target.target import Phase, Target
from buildfarm.errors import ConfigError
from buildfarm.services.build.mock_configuration import mock_config
from tests.conftest import CHECKOUT

FARMS = sorted(
    [
        *CHECKOUT.glob("configs/*farm.yaml"),
        CHECKOUT / "configs/fleet.yaml",
        CHECKOUT / "configs/demo/farm.yaml",
    ]
)

COMPOSE = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())


@pytest.mark.parametrize("file", FARMS, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_every_farm_loads_with_all_its_targets(file: Path) -> None:
    assert config.load(file).targets


def test_real_targets_render_to_mock_configurations_that_python_reads() -> None:
    loaded = config.load(CHECKOUT / "configs/farm.yaml")
    assert {"centos-stream-9", "centos-stream-10", "alma-like-9"} <= set(loaded.targets)
    for target in loaded.targets.values():
        for arch in target.arches:
            options: dict[str, object] = {
                "environment": {},
                "macros": {},
                "plugin_conf": defaultdict(dict),
            }
            exec(
                compile(mock_config(loaded, target, arch), target.name, "exec"),
                {"config_opts": options},
            )
            assert options["target_arch"] == arch
            assert options["macros"]["%dist"] == target.dist  # type: ignore[index]


def test_lifecycle_of_a_real_target_has_its_phases() -> None:
    lifecycle = config.load(CHECKOUT / "configs/farm.yaml").target("alma-like-9").lifecycle
    assert lifecycle.maintenance
    assert lifecycle.end_of_life
    assert lifecycle.phase(lifecycle.released) is Phase.FULL_UPDATES
    assert lifecycle.phase(lifecycle.maintenance) is Phase.MAINTENANCE
    assert lifecycle.phase(lifecycle.end_of_life) is Phase.END_OF_LIFE


def test_an_unknown_key_is_an_error_that_names_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "farm.yaml").write_text("listn: 1.2.3.4:80\n")
    with pytest.raises(ConfigError, match=r"farm\.yaml: listn"):
        config.load(tmp_path / "farm.yaml")


def test_the_demos_rules_and_brand_policy_load() -> None:
    loaded = config.load(CHECKOUT / "configs/demo/farm.yaml")
    assert bootstrap.load_rules(CHECKOUT / "configs/debrand")
    assert bootstrap.load_brand_policy(CHECKOUT / "configs/brand.yaml").words
    assert loaded.target("reef-9").rules


@pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="no docker-compose on this machine"
)
def test_the_compose_file_is_valid(tmp_path: Path) -> None:
    argv = [
        "docker-compose",
        "--file",
        CHECKOUT / "compose.yaml",
        "--project-name",
        "buildfarm",
        "config",
        "--quiet",
    ]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_compose_file_runs_is_what_the_farm_has() -> None:
    fleet = config.load(CHECKOUT / "configs/fleet.yaml").farm
    started = [
        one["command"]
        for one in COMPOSE["services"].values()
        if one.get("image") == "buildfarm:local"
    ]
    for name, *arguments in started:
        if name == "buildfarm":
            command = cli.get_command(click.Context(cli), arguments[0])
            assert command is not None, arguments
            command.make_context(arguments[0], arguments[1:])
        else:
            assert [name, *arguments] == ["gunicorn", *processes.web_server(fleet.listen)[1:]]
    assert {"init", "scheduler", "notifier", "poll", "watch"} <= {words[1] for words in started}


def test_containers_have_the_secrets_that_the_fleet_reads_and_no_rights_but_those() -> None:
    fleet = config.load(CHECKOUT / "configs/fleet.yaml").farm
    for name, one in COMPOSE["services"].items():
        assert one["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in one["security_opt"], name
        if one.get("image") == "buildfarm:local":
            given = {f"/run/secrets/{secret}" for secret in one["secrets"]}
            assert {fleet.database_password_file, fleet.redis_password_file} <= given, name
            has_key = any(volume.startswith("key:") for volume in one["volumes"])
            assert has_key == (name in {"init", "signer"}), name


def test_the_image_is_made_from_what_it_needs_and_never_from_runtime_data() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert all((CHECKOUT / name).exists() for name in kept)
    assert kept == {
        "README.md",
        "buildfarm",
        "pyproject.toml",
        "requirements.lock",
        "web",
        "workers",
    }


@pytest.mark.parametrize("password", ["plain", "a/b:c@d#e?f%g"])
def test_passwords_of_redis_and_the_database_come_from_files(tmp_path: Path, password: str) -> None:
    (tmp_path / "secret").write_text(f"{password}\n")
    (tmp_path / "farm.yaml").write_text(
        f"home: {tmp_path}\n"
        "database: postgresql+psycopg://buildfarm@postgres/buildfarm\n"
        "database_password_file: secret\n"
        "redis: redis://hub@redis:6379/0\n"
        "redis_password_file: secret\n"
    )
    loaded = config.load(tmp_path / "farm.yaml")
    assert redis.connection.parse_url(bootstrap.redis_url(loaded)) == {
        "host": "redis", "port": 6379, "db": 0, "username": "hub", "password": password
    }  # fmt: skip
    assert sa.make_url(bootstrap.database_url(loaded)).password == password
    assert password not in bootstrap.store_of(loaded).name


def test_the_sample_of_triggers_that_is_commented_out_is_one_that_works(tmp_path: Path) -> None:
    lines = (CHECKOUT / "configs" / "targets" / "centos-stream-9.yaml").read_text().splitlines()
    file = tmp_path / "centos-stream-9.yaml"
    file.write_text("\n".join(line.removeprefix("#: ") for line in lines))
    target = config.load_typed(Target, file)
    assert [one.kind.value for one in target.triggers.all] == ["webhook", "folder", "poll", "poll"]


def test_a_farm_names_its_mail_server_and_whom_webhooks_may_reach(tmp_path: Path) -> None:
    (tmp_path / "farm.yaml").write_text(
        "mail: {host: mail.example.org, port: 587, from: builds@example.org, starttls: true}\n"
        "notifications: {url: 'https://builds.example.org/', allowed_urls: ['http://chat.internal:8065/hooks/']}\n"
    )
    farm = config.load(tmp_path / "farm.yaml").farm
    assert farm.mail is not None
    assert (farm.mail.sender, farm.mail.port, farm.public_url) == (
        "builds@example.org",
        587,
        "https://builds.example.org",
    )


@pytest.mark.parametrize(
    "mail", ["host: mail.example.org, starttls: true", "host: localhost", "host: mail.example.org"]
)
def test_a_password_for_mail_is_not_sent_in_clear(tmp_path: Path, mail: str) -> None:
    file = tmp_path / "farm.yaml"
    file.write_text(
        f"mail: {{{mail}, from: builds@example.org, user: builds, password_file: secrets/mail}}\n"
    )
    if mail == "host: mail.example.org":
        with pytest.raises(ConfigError, match=r"mail.*in clear; `starttls: true`"):
            config.load(file)
    else:
        assert config.load(file).farm.mail is not None

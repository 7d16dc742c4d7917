"""Composition root: chooses the store, the broker and the tools of every process.

Nothing happens at import.
"""

from __future__ import annotations

import json
import random
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from buildfarm import config as configuration
from buildfarm.adapters.auth.oidc import OidcIssuer
from buildfarm.adapters.auth.passwords import Argon2Passwords
from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.core.database.store import utc_now
from buildfarm.adapters.debrand import srpm_tree
from buildfarm.adapters.debrand.brand_policies import load_brand_policy
from buildfarm.adapters.debrand.brand_scan import scan_rpms
from buildfarm.adapters.debrand.outside import SandboxedOutside
from buildfarm.adapters.debrand.rule_files import load_rules
from buildfarm.adapters.debrand.source_survey import survey as read_sources
from buildfarm.adapters.intake import dist_git
from buildfarm.adapters.intake.fetching import Fetcher
from buildfarm.adapters.intake.folder_events import InotifyFolder, has_no_writer
from buildfarm.adapters.intake.metadata_cache import MetadataCache
from buildfarm.adapters.intake.polled_repository import RepositoryLook
from buildfarm.adapters.intake.rpm_verify import verify_many
from buildfarm.adapters.notify import outward
from buildfarm.adapters.notify.event_stream import RedisStream
from buildfarm.adapters.notify.keys import NotificationKeys
from buildfarm.adapters.notify.mail import Smtp
from buildfarm.adapters.notify.webhooks import Webhooks
from buildfarm.adapters.publish.productmd_writer import ProductmdWriter
from buildfarm.adapters.publish.repository_writer import repository_writer
from buildfarm.adapters.publish.signing import Signer
from buildfarm.adapters.schedule import celery_hub, message_keys
from buildfarm.adapters.schedule.broker import (
    Broker,
    PrivateRedis,
    RedisWakeup,
    prefix_of,
    with_credentials,
)
from buildfarm.adapters.schedule.solver import LibsolvSolver
from buildfarm.config import Config
from buildfarm.domain.compare.policy import ComparePolicy, suffix_pattern
from buildfarm.domain.core.records import ApiToken
from buildfarm.domain.core.task import Task, TaskKind
from buildfarm.domain.debrand.brand import BrandPolicy
from buildfarm.domain.debrand.rule import Rule
from buildfarm.domain.notify.digest import Pace
from buildfarm.domain.target.target import Target
from buildfarm.ports.intake import Intake
from buildfarm.ports.notifications import DeliveryResult, MailMessage
from buildfarm.rpm_folders import POOL
from buildfarm.services.auth.login import LoginTools
from buildfarm.services.build import comparing, debranding
from buildfarm.services.build.comparing import CompareTools
from buildfarm.services.build.debranding import DebrandTools
from buildfarm.services.build.guests import GuestProvisioning
from buildfarm.services.core.hub import Heartbeat, Hub
from buildfarm.services.core.tasks import token_hash
from buildfarm.services.intake import downloads, ingesting, surveying
from buildfarm.services.intake.polling import Poller
from buildfarm.services.intake.watching import FolderWatch
from buildfarm.services.notify import consumers
from buildfarm.services.notify.deliveries import DeliverySender
from buildfarm.services.notify.notifier import CONSUMERS, Notifier
from buildfarm.services.publish import collecting, composing, publishing
from buildfarm.services.schedule.planning import PlanningService
from buildfarm.services.schedule.scheduler import Scheduler
from buildfarm.services.schedule.task_handlers import Handler
from buildfarm.services.schedule.universes import Universes

ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folders of one farm's runtime data."""

    root: Path

    @property
    def secrets(self) -> Path:
        """Readable by the farm's own user only."""
        return self.root / "secrets"

    @property
    def gnupg(self) -> Path:
        """The distribution's signing key; only the signer opens it."""
        return self.secrets / "gnupg"


def home_of(config: Config) -> Home:
    """Return the folders, created if necessary."""
    home = Home(root=config.farm.home_path)
    for folder in (
        home.root,
        home.root / "blobs",
        home.root / "repos",
        home.root / "scratch",
        home.root / "logs",
    ):
        folder.mkdir(parents=True, exist_ok=True)
    home.secrets.mkdir(exist_ok=True, mode=0o700)
    return home


def private_redis(config: Config) -> PrivateRedis:
    """Return the embedded Redis; its port and password are chosen once and kept."""
    file = home_of(config).secrets / "redis.json"
    if not file.exists():
        file.touch(mode=0o600)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        file.write_text(
            json.dumps({"port": port, "password": secrets.token_urlsafe(24)}), encoding="utf-8"
        )
    known = json.loads(file.read_text(encoding="utf-8"))
    return PrivateRedis(
        folder=config.farm.home_path / "redis", port=known["port"], password=known["password"]
    )


def redis_url(config: Config) -> str:
    """Return the URL of the hub's Redis: the configured one, else the embedded one."""
    farm = config.farm
    return (
        _with_password(config, farm.redis, farm.redis_password_file)
        if farm.redis
        else private_redis(config).url
    )


def _with_password(config: Config, url: str, file: str) -> str:
    """Return ``url`` with the password of ``file``, if one is named.

    :raises ConfigError: it cannot be read.
    """
    return with_credentials(url, urlsplit(url).username or "", config.secret(file)) if file else url


def database_url(config: Config) -> str:
    """Return the URL of the database: the configured one, else the embedded one."""
    return _with_password(config, config.farm.database_url, config.farm.database_password_file)


def store_of(config: Config) -> SqlStore:
    """Return the database's store."""
    home_of(config)
    return SqlStore(database_url(config))


def initialise(config: Config) -> None:
    """Create what a new farm needs: tables, the signing key, message keys, the first API token.

    Safe to repeat.
    """
    home = home_of(config)
    store = store_of(config)
    store.migrate()
    message_keys.ensure_pair(home.secrets / "messages", "hub")
    signer = signer_of(config)
    signer.ensure_key()
    key = config.farm.home_path / "repos" / publishing.KEY_FILE
    if not key.exists():
        key.write_bytes(signer.export())
    token_file = home.secrets / "admin.token"
    if not token_file.exists():
        token_file.touch(mode=0o600)
        token_file.write_text(secrets.token_urlsafe(32), encoding="utf-8")
    token = token_file.read_text(encoding="utf-8").strip()
    with store.begin() as tx:
        tx.insert_or_ignore(
            ApiToken(id=token_hash(token), name=ADMIN, role="admin", created=tx.now)
        )
    consumers.begin(store, CONSUMERS)
    store.dispose()


def signer_of(config: Config) -> Signer:
    """Return the signer with the distribution's key."""
    return Signer(
        home_of(config).gnupg, name=config.farm.distribution, email=config.farm.signing_email
    )


def intake() -> Intake:
    """Return the verification of RPMs in the sandbox."""
    return verify_many


def rules_of(config: Config, target: Target) -> list[Rule]:
    """Return the debrand rules of a target. :raises ConfigError: one of them is wrong."""
    return load_rules(config.path(target.rules)) if target.rules else []


def brand_policy_of(config: Config, target: Target) -> BrandPolicy | None:
    """Return the brand policy for the target's RPMs."""
    return load_brand_policy(config.path(target.brand)) if target.brand else None


def compare_policy(config: Config, name: str) -> ComparePolicy:
    """Return a target's policy for comparisons outside of a build: suffix, tags, renames by
    rules.
    """
    target = config.target(name)
    rules = rules_of(config, target)
    return ComparePolicy(
        suffix=suffix_pattern(target.suffix),
        header_tags={tag.upper(): value for tag, value in target.header_tags.items()},
        renames={vendor: ours for rule in rules for vendor, ours in rule.rename.items()},
        causes=frozenset(target.gate.causes),
    )


def compare_tools(config: Config) -> CompareTools:
    """Return the tools that read RPMs for comparisons."""
    return CompareTools(
        reader=SandboxedReader(),
        scan=scan_rpms,
        brand_policy=lambda target: brand_policy_of(config, target),
    )


def hub_of(config: Config) -> Hub:
    """Return the collaborators of a hub process."""
    url = redis_url(config)
    pair = message_keys.ensure_pair(home_of(config).secrets / "messages", "hub")
    return Hub(
        config=config,
        store=store_of(config),
        blobs=Blobs(config.farm.home_path / "blobs"),
        messages=celery_hub.CeleryMessages(url, *pair),
        wakeup=RedisWakeup(url),
        scratch=config.farm.home_path / "scratch",
    )


def login_tools(config: Config) -> LoginTools:
    """Return the tools for logins. :raises ConfigError: the OIDC client's secret cannot be read."""
    settings = config.farm.login.oidc
    if settings is None:
        return LoginTools(passwords=Argon2Passwords())
    secret = config.secret(settings.client_secret_file) if settings.client_secret_file else ""
    return LoginTools(passwords=Argon2Passwords(), issuer=OidcIssuer(settings, secret))


def web_parts() -> tuple[Hub, Intake, GuestProvisioning]:
    """Return the collaborators of the Flask application (each web process calls this once)."""
    loaded = configuration.load()
    hub = hub_of(loaded)
    return hub, intake(), guest_provisioning_of(hub)


def guest_provisioning_of(hub: Hub) -> GuestProvisioning:
    """Return the provisioning of guests."""
    config = hub.config
    universes = Universes(hub, LibsolvSolver(), remote_of(hub))
    _, certificate = message_keys.ensure_pair(home_of(config).secrets / "messages", "hub")
    return GuestProvisioning(
        broker=Broker(redis_url(config)),
        prefix=prefix_of,
        certificate=certificate.read_text(encoding="ascii"),
        buildroot=lambda target, arch: universes.buildroot(config.target(target), arch),
    )


def scheduler_of(hub: Hub, *, owner: str) -> Scheduler:
    """Return the scheduler, which plans with libsolv."""
    universes = Universes(hub, LibsolvSolver(), remote_of(hub))
    return Scheduler(hub, PlanningService(hub, universes), owner=owner)


def remote_of(hub: Hub) -> MetadataCache:
    """Return the cache of remote repositories' metadata; new metadata wakes the scheduler."""
    return MetadataCache(hub.config.farm.home_path / "cache" / "metadata", ready=hub.wakeup.notify)


@contextmanager
def poller_of(hub: Hub, *, owner: str, chance: Callable[[], float]) -> Iterator[Poller]:
    """Yield the poller of the vendors' repositories."""
    fetch = Fetcher()
    try:
        yield Poller(hub, RepositoryLook(fetch), owner=owner, chance=chance)
    finally:
        fetch.close()


def watches_of(hub: Hub) -> list[FolderWatch]:
    """Return a watch for each folder of the targets."""
    return [
        FolderWatch(
            hub, target, folder, intake=intake(),
            events=InotifyFolder(hub.config.path(folder.path)), clock=utc_now,
            has_no_writer=has_no_writer,
        )
        for target in hub.config.targets.values()
        for folder in target.triggers.folders
    ]  # fmt: skip


def notification_keys(config: Config) -> NotificationKeys:
    """Return the keys that sign webhooks and unsubscribe links."""
    return NotificationKeys(home_of(config).secrets / "notifications.key")


def check_webhook(config: Config, url: str) -> None:
    """Check a webhook's URL.

    :raises NotAllowed: the hub may not post there.
    :raises InfraError: the host's name does not resolve.
    """
    outward.address_of(url, config.farm.notifications.allowed_urls)


def deliveries_of(hub: Hub) -> DeliverySender:
    """Return the sender of webhooks and mails."""
    farm, keys = hub.config.farm, notification_keys(hub.config)
    pace = Pace(
        quiet=timedelta(seconds=farm.notifications.quiet),
        longest=timedelta(seconds=farm.notifications.longest),
        least=timedelta(seconds=farm.notifications.least),
    )
    mail = farm.mail
    password = (
        hub.config.path(mail.password_file) if mail is not None and mail.password_file else None
    )
    return DeliverySender(
        store=hub.store,
        post=Webhooks(keys, allowed=farm.notifications.allowed_urls),
        pace=pace,
        url=farm.public_url,
        mail=Smtp(mail, password_file=password) if mail is not None else _no_mail,
        unsubscribe=lambda one: (
            f"{farm.public_url}/subscriptions/{one}/unsubscribe?proof={keys.proof(one)}"
        ),
        chance=random.SystemRandom().random,
    )


def _no_mail(_: MailMessage) -> DeliveryResult:
    return DeliveryResult(accepted=False, status="no mail server: `mail:` in farm.yaml names one")


def notifier_of(hub: Hub, *, owner: str) -> Notifier:
    """Return the notifier, with Redis, HTTP and SMTP."""
    stream = RedisStream(redis_url(hub.config), length=hub.config.farm.notifications.stream_length)
    return Notifier(hub, stream, deliveries_of(hub), owner=owner)


def task_handlers_of(hub: Hub, queue: str) -> dict[TaskKind, Handler]:
    """Return the handlers of the hub's worker for ``queue`` (``services`` or ``signer``).

    Only the signer opens the key.
    """
    if queue == "signer":
        signer = signer_of(hub.config)
        return {
            TaskKind.SIGN: lambda task, _: publishing.sign(hub, signer, task.subject),
            TaskKind.SEAL: lambda task, _: publishing.seal(hub, signer, task.subject),
        }
    write = repository_writer(hub.config.farm.home_path / "cache" / "repodata", hub.repos / POOL)
    describe = ProductmdWriter(hub.repos / publishing.KEY_FILE)
    verify = intake()
    fetch = Fetcher()

    def ingest(task: Task, heartbeat: Heartbeat) -> None:
        downloads.bring(hub, fetch, task.subject, heartbeat)
        ingesting.ingest(hub, verify, dist_git.checkout, task.subject, heartbeat)

    compare = compare_tools(hub.config)
    debrand = DebrandTools(
        unpack=srpm_tree.unpack,
        pack=srpm_tree.pack,
        rules=lambda target: rules_of(hub.config, target),
        outside=SandboxedOutside,
    )
    survey = surveying.SurveyTools(
        read=read_sources, brand_policy=lambda target: brand_policy_of(hub.config, target)
    )
    return {
        TaskKind.SURVEY: lambda task, heartbeat: surveying.survey(
            hub, survey, task.subject, heartbeat
        ),
        TaskKind.INGEST: ingest,
        TaskKind.DEBRAND: lambda task, heartbeat: debranding.debrand(
            hub, debrand, task.subject, heartbeat
        ),
        TaskKind.COMPARE: lambda task, heartbeat: comparing.compare(
            hub, compare, task.subject, heartbeat
        ),
        TaskKind.PUBLISH: lambda task, heartbeat: publishing.stage(
            hub, write, task.subject, heartbeat
        ),
        TaskKind.RESTORE: lambda task, heartbeat: collecting.restore(
            hub, write, task.subject, heartbeat
        ),
        TaskKind.COMPOSE: lambda task, heartbeat: composing.write(
            hub, describe, task.subject, heartbeat
        ),
    }

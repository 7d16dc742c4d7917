"""The farm's own processes: ``serve`` runs them all on one machine, the rest are what it starts (and a fleet's units run)."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from pathlib import Path

import click
import httpx
import yaml

from buildfarm import bootstrap, config, log
from buildfarm.adapters import celery_hub, message_keys, supervisor
from buildfarm.adapters.broker import Broker, prefix_of
from buildfarm.cli import output
from buildfarm.config import Config
from buildfarm.errors import BuildFarmError, ConfigError, InfraError
from buildfarm.services import stations, workers
from buildfarm.services.hub import Hub
from buildfarm.services.tasks import hear_of

_SERVICES_SLOTS = 2


def _stop_event() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@click.command("init")
def init() -> None:
    """Make what a new farm needs (tables, keys, the first API token); safe to repeat."""
    bootstrap.initialise(config.load())


@click.command("scheduler")
def scheduler() -> None:
    """Run the scheduler; any number may stand by, one leads."""
    hub = bootstrap.hub_of(config.load())
    stop = _stop_event()
    owner = f"{socket.gethostname()}:{threading.get_native_id()}"
    bootstrap.scheduler_of(hub, owner=owner).run(stop.is_set)


@click.command("services-worker")
@click.option("--queue", type=click.Choice(["services", "signer"]), default="services")
@click.option("--name", default="", help="Default: <queue>-1.")
def services_worker(queue: str, name: str) -> None:
    """Run the Celery worker for the hub's own stations (ingest, debrand, compare, publish) or the signer."""
    loaded = config.load()
    hub = bootstrap.hub_of(loaded)
    name = name or f"{queue}-1"
    slots = _SERVICES_SLOTS if queue == "services" else 1
    mine = bootstrap.stations_of(hub, queue)
    workers.introduce_station(hub, name, queue, slots=slots)
    threading.Thread(target=_be_heard, args=(hub, name), daemon=True).start()
    pair = message_keys.ensure_pair(bootstrap.home_of(loaded).secrets / "messages", "hub")
    app = celery_hub.hub_worker(
        bootstrap.redis_url(loaded), name=name, queue=queue, key=pair[0], certificate=pair[1],
        handle=lambda task: stations.serve(hub, mine, task, name),
    )  # fmt: skip
    hub.wakeup.notify()
    celery_hub.run(app, name=name, queue=queue, slots=slots)


def _be_heard(hub: Hub, name: str) -> None:
    pause = threading.Event()
    while not pause.wait(hub.config.farm.timing.heartbeat):
        try:
            hear_of(hub.store, name)
        except BuildFarmError as error:
            log.get().warning("heartbeat.failed", worker=name, reason=str(error))


def write_worker_config(loaded: Config, credentials: workers.Credentials, file: Path) -> None:
    """The file a worker starts with: everything it may know of the hub, readable by its user only."""
    name = credentials.worker.id
    messages = bootstrap.home_of(loaded).secrets / "messages"
    key, certificate = message_keys.ensure_pair(file.parent / "keys", name)
    trusted = file.parent / "trusted"
    trusted.mkdir(exist_ok=True)
    (trusted / "hub.crt").write_bytes((messages / "hub.crt").read_bytes())
    data = {
        "name": name,
        "hub_url": loaded.farm.url,
        "token": credentials.token,
        "redis": {"url": credentials.redis_url, "prefix": prefix_of(name)},
        "arches": list(credentials.worker.arches),
        "builder": credentials.worker.builder,
        "queues": list(credentials.worker.queues),
        "slots": credentials.worker.slots,
        "workdir": str(file.parent),
        "security": {"key": str(key), "certificate": str(certificate), "hub_certificates": str(trusted)},
    }
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def _enroll_local(loaded: Config, hub: Hub, broker: Broker, number: int) -> Path:
    """A builder beside the hub, for every target whose builder runs here."""
    targets = [target for target in loaded.targets.values() if target.builder == "chroot"]
    if not targets:
        raise ConfigError("local_workers is set and no target uses the chroot builder", hint="set local_workers: 0")
    queues = [queue for target in targets for queue in target.queues()]
    arches = sorted({arch for target in targets for arch in target.arches})
    name = f"local-{number}"
    credentials = workers.enroll(hub, broker, name, arches=arches, queues=queues, builder="chroot", actor="serve")
    file = loaded.farm.home_path / "workers" / name / "worker.yaml"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_worker_config(loaded, credentials, file)
    return file


@click.command("serve")
def serve() -> None:
    """Run the whole farm on this machine until Ctrl-C: Redis, the page, the scheduler, services, signer, builders."""
    loaded = config.load()
    bootstrap.initialise(loaded)
    stop = _stop_event()
    here = Path(sys.prefix) / "bin"
    env = {
        "BUILDFARM_HOME": loaded.farm.home, "BUILDFARM_CONFIG": str(loaded.file), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    farm = supervisor.Supervisor(loaded.farm.home_path)
    try:
        if not loaded.farm.redis:
            private = bootstrap.private_redis(loaded)
            farm.add(
                supervisor.Child(
                    name="redis",
                    argv=["redis-server", private.write_configuration()],
                    ready=lambda: Broker(private.url).ping(),
                )
            )
        hub = bootstrap.hub_of(loaded)
        broker = Broker(bootstrap.redis_url(loaded))
        web: list[str | Path] = [
            here / "gunicorn", "--bind", loaded.farm.listen, "--workers", "1", "--threads", "16", "--worker-class",
            "gthread", "--timeout", "300", "--graceful-timeout", "5", "--worker-tmp-dir", "/dev/shm",
            "buildfarm_web.wsgi:application()",
        ]  # fmt: skip
        farm.add(supervisor.Child(name="web", argv=web, env=env, ready=lambda: _answers(loaded.farm.url)))
        mine = here / "buildfarm"
        for queue in ("services", "signer"):
            argv: list[str | Path] = [mine, "services-worker", "--queue", queue]
            farm.add(supervisor.Child(name=queue, argv=argv, env=env))
        farm.add(supervisor.Child(name="scheduler", argv=[mine, "scheduler"], env=env))
        for number in range(1, loaded.farm.local_workers + 1):
            file = _enroll_local(loaded, hub, broker, number)
            argv = [here / "buildfarm-worker", "--config", file]
            farm.add(supervisor.Child(name=f"worker-{number}", argv=argv, env={"PYTHONUNBUFFERED": "1"}))
        output.err.print(f"the farm is up at {loaded.farm.url} (logs: {loaded.farm.home_path / 'logs'})")
        farm.run(stop.is_set)
    finally:
        farm.stop()


def _answers(url: str) -> None:
    try:
        answer = httpx.get(f"{url}/api/v1/health", timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        raise InfraError(str(error)) from error
    if not answer.is_success:
        raise InfraError(f"{url} answers {answer.status_code}")


@click.command("worker-add")
@click.argument("name")
@click.option("--target", "-t", "names", multiple=True, required=True, help="Targets it builds for.")
@click.option("--arch", "arches", multiple=True, default=("x86_64",))
@click.option("--builder", type=click.Choice(["chroot", "mock"]), default="mock")
@click.option("--slots", type=int, default=1)
@click.option("--output", "-o", "file", type=click.Path(path_type=Path), required=True, help="worker.yaml to write.")
def worker_add(
    name: str, names: tuple[str, ...], arches: tuple[str, ...], builder: str, slots: int, file: Path
) -> None:
    """Enroll a worker and write the configuration it starts with (run again to renew its credentials)."""
    loaded = config.load()
    hub = bootstrap.hub_of(loaded)
    queues = [q for t in names for q in loaded.target(t).queues() if q.split(".")[-2] in arches]
    credentials = workers.enroll(
        hub, Broker(bootstrap.redis_url(loaded)), name, arches=arches, queues=queues, builder=builder, slots=slots,
        actor="cli",
    )  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_worker_config(loaded, credentials, file.absolute())
    output.out.print(str(file))


COMMANDS = (init, scheduler, services_worker, serve, worker_add)

"""The farm's own processes: ``serve`` runs all of them on one machine.

It starts the other commands, which the units of a fleet run one by one.
"""

from __future__ import annotations

import hashlib
import signal
import socket
import sys
import threading
from pathlib import Path

import click
import httpx

from buildfarm import bootstrap, config
from buildfarm.adapters.schedule import celery_hub, message_keys
from buildfarm.adapters.schedule.broker import Broker
from buildfarm.adapters.system import private_libvirt, supervisor
from buildfarm.cli import output
from buildfarm.cli.farm import enrolling
from buildfarm.config import Config, LocalGuests
from buildfarm.errors import InfraError
from buildfarm.heartbeat import beating
from buildfarm.services.core import workers
from buildfarm.services.core.hub import Hub
from buildfarm.services.core.tasks import touch
from buildfarm.services.schedule import task_handlers

_SERVICES_SLOTS = 2


def stop_event() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@click.command("init")
def init() -> None:
    """Create what a new farm needs (tables, keys, the first API token); safe to repeat."""
    bootstrap.initialise(config.load())


@click.command("scheduler")
def scheduler() -> None:
    """Run the scheduler; of several processes one leads, the others stand by."""
    hub = bootstrap.hub_of(config.load())
    stop = stop_event()
    owner = f"{socket.gethostname()}:{threading.get_native_id()}"
    bootstrap.scheduler_of(hub, owner=owner).run(stop.is_set)


@click.command("notifier")
def notifier() -> None:
    """Run the notifier (stream, feeds, webhooks, mail); of several processes one leads."""
    hub = bootstrap.hub_of(config.load())
    owner = f"{socket.gethostname()}:{threading.get_native_id()}"
    bootstrap.notifier_of(hub, owner=owner).run(stop_event())


@click.command("services-worker")
@click.option("--queue", type=click.Choice(["services", "signer"]), default="services")
@click.option("--name", default="", help="Default: <queue>-1.")
def services_worker(queue: str, name: str) -> None:
    """Run the Celery worker of the hub's handlers (ingest, debrand, compare, publish) or the
    signer.
    """
    loaded = config.load()
    hub = bootstrap.hub_of(loaded)
    name = name or f"{queue}-1"
    slots = _SERVICES_SLOTS if queue == "services" else 1
    mine = bootstrap.task_handlers_of(hub, queue)
    workers.register_hub_worker(hub, name, queue, slots=slots)
    pair = message_keys.ensure_pair(bootstrap.home_of(loaded).secrets / "messages", "hub")
    app = celery_hub.hub_worker(
        bootstrap.redis_url(loaded), name=name, queue=queue, key=pair[0], certificate=pair[1],
        handle=lambda task: task_handlers.serve(hub, mine, task, name),
    )  # fmt: skip
    hub.wakeup.notify()

    def beat() -> bool:
        touch(hub.store, name)
        return True

    with beating(beat, interval=hub.config.farm.timing.heartbeat, name=f"heartbeat-{name}"):
        celery_hub.run(app, name=name, queue=queue, slots=slots)


@click.command("serve")
def serve() -> None:
    """Run the whole farm on this machine until Ctrl-C.

    That is Redis, the page, the scheduler, the notifier, services, signer and builders.
    """
    loaded = config.load()
    bootstrap.initialise(loaded)
    stop = stop_event()
    here = Path(sys.prefix) / "bin"
    env = {
        "BUILDFARM_HOME": loaded.farm.home, "BUILDFARM_CONFIG": str(loaded.file),
        "PYTHONUNBUFFERED": "1",
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
        web = web_server(loaded.farm.listen)
        farm.add(
            supervisor.Child(name="web", argv=web, env=env, ready=lambda: _answers(loaded.farm.url))
        )
        mine = here / "buildfarm"
        for queue in ("services", "signer"):
            argv: list[str | Path] = [mine, "services-worker", "--queue", queue]
            farm.add(supervisor.Child(name=queue, argv=argv, env=env))
        farm.add(supervisor.Child(name="scheduler", argv=[mine, "scheduler"], env=env))
        for name, wanted in (("poll", "polls"), ("watch", "folders")):
            if any(getattr(target.triggers, wanted) for target in loaded.targets.values()):
                farm.add(supervisor.Child(name=name, argv=[mine, name], env=env))
        farm.add(supervisor.Child(name="notifier", argv=[mine, "notifier"], env=env))
        for number in range(1, loaded.farm.local_workers + 1):
            file = enrolling.enroll_local(loaded, hub, broker, number)
            argv = [here / "buildfarm-worker", "--config", file]
            farm.add(
                supervisor.Child(name=f"worker-{number}", argv=argv, env={"PYTHONUNBUFFERED": "1"})
            )
        if loaded.farm.guests is not None:
            _add_guests(farm, loaded, hub, loaded.farm.guests)
        output.err.print(
            f"the farm is up at {loaded.farm.url} (logs: {loaded.farm.home_path / 'logs'})"
        )
        farm.run(stop.is_set)
    finally:
        farm.stop()


def web_server(
    listen: str, application: str = "buildfarm_web.wsgi:application()"
) -> list[str | Path]:
    """Return the command of the web server; its threads serve requests, SSE clients use none."""
    return [
        Path(sys.prefix) / "bin" / "gunicorn", "--bind", listen, "--workers", "1",
        "--threads", "16", "--worker-class", "gthread", "--timeout", "300",
        "--graceful-timeout", "5", "--worker-tmp-dir", "/dev/shm",
        "--no-control-socket", application,  # the socket would be shared by all farms of a user
    ]  # fmt: skip


def _add_guests(farm: supervisor.Supervisor, loaded: Config, hub: Hub, local: LocalGuests) -> None:
    """Add a private libvirt, and the pool of guests that uses it."""
    name = hashlib.sha256(str(loaded.farm.home_path).encode()).hexdigest()[:8]
    folder = (
        loaded.path(local.folder)
        if local.folder
        else private_libvirt.folder_for(loaded.farm.home_path, name)
    )
    libvirt = private_libvirt.PrivateLibvirt(
        folder=folder / "libvirt", user=private_libvirt.qemu_user()
    )
    farm.add(
        supervisor.Child(
            name="libvirt", argv=libvirt.prepare(), env=libvirt.env, ready=libvirt.ready
        )
    )
    file = enrolling.enroll_local_host(loaded, hub, local, folder, libvirt)
    argv: list[str | Path] = [
        Path(sys.prefix) / "bin" / "buildfarm",
        "guests",
        "--config",
        file,
        "run",
    ]
    farm.add(supervisor.Child(name="guests", argv=argv, env={"PYTHONUNBUFFERED": "1"}))


def _answers(url: str) -> None:
    try:
        answer = httpx.get(f"{url}/api/v1/health", timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        raise InfraError(str(error)) from error
    if not answer.is_success:
        raise InfraError(f"{url} answers {answer.status_code}")


COMMANDS = (init, scheduler, notifier, services_worker, serve)

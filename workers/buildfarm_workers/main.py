"""The ``buildfarm-worker`` command: the worker process, single builds, and checks.

The worker runs in a mount namespace of its own and its children die with it, so that a SIGKILL
leaves no mount and no process; its successor removes its files.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Literal

import click

from buildfarm import log
from buildfarm.adapters.system import process
from buildfarm.domain.core.build import MOCK_EXIT_CODES, FailureKind
from buildfarm.errors import BuildFarmError, InputError, NotAllowed
from buildfarm.heartbeat import beating
from buildfarm.wire import WorkOrder
from buildfarm_workers import config as configuration
from buildfarm_workers.builders import Builder
from buildfarm_workers.builders.chroot import ChrootBuilder
from buildfarm_workers.builders.mock import MockBuilder
from buildfarm_workers.config import MockSettings, WorkerConfig
from buildfarm_workers.hub_client import Hub
from buildfarm_workers.task_run import Worker

_EXIT_CODES = {
    kind: code for code, kind in sorted(MOCK_EXIT_CODES.items(), reverse=True) if code != 1
}
_EXIT_INFRASTRUCTURE = 75  # EX_TEMPFAIL of sysexits.h
_FOREVER = 10 * 365 * 86400.0
_RESTART_SECONDS = 2.0


@click.group(invoke_without_command=True)
@click.option(
    "--config", "file", type=click.Path(path_type=Path), help="Run the worker this file describes."
)
@click.option("--slot", type=int, hidden=True)
@click.option("--own-namespace", is_flag=True, hidden=True)
@click.pass_context
def cli(
    context: click.Context, file: Path | None, slot: int | None, *, own_namespace: bool
) -> None:
    """The build farm's worker."""
    log.configure()
    if context.invoked_subcommand is not None:
        return
    if file is None:
        raise click.UsageError("--config FILE is missing (or name a command, see --help)")
    config = configuration.load(file)
    if not own_namespace and os.geteuid() == 0:
        _enter_namespace(["--config", str(file.resolve())])
    if slot is None and config.slots > 1:
        _supervise(config, file)
    else:
        serve(config, slot or 0)


@cli.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
def check_config(file: Path) -> None:
    """Check FILE and print what prevents its worker from starting."""
    config = configuration.load(file)
    builder = make_builder(config, 0)
    problems = [
        *configuration.problems(config),
        *(f"builder {builder.name}: {p}" for p in builder.missing()),
    ]
    for problem in problems:
        click.echo(problem)
    if problems:
        raise InputError(f"{file}: {len(problems)} problems")
    click.echo(
        f"{file}: ok: {config.name} takes {', '.join(config.queues)} with {builder.version()}"
    )
    for name, value in builder.features().items():
        click.echo(f"  {name}: {value}")


@cli.command("build")
@click.argument("order_file", metavar="ORDER.json", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--payload",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="SRPM or source tree's tar.",
)
@click.option(
    "--result", required=True, type=click.Path(path_type=Path), help="Where the resultdir goes."
)
@click.option(
    "--workdir",
    default="/var/tmp/buildfarm-worker",
    show_default=True,
    type=click.Path(path_type=Path),
)  # kept between runs on purpose
@click.option(
    "--builder", "kind", default="chroot", show_default=True, type=click.Choice(["chroot", "mock"])
)
@click.option("--mock-user", default="", help="For mock as root: an ordinary user of group mock.")
@click.option("--own-namespace", is_flag=True, hidden=True)
def build(  # click passes them by name
    order_file: Path,
    payload: Path,
    result: Path,
    workdir: Path,
    kind: Literal["chroot", "mock"],
    mock_user: str,
    *,
    own_namespace: bool,
) -> None:
    """Build one order without hub, Redis or Celery.

    Prints the outcome as JSON; the exit code is mock's for its kind.
    """
    if not own_namespace and os.geteuid() == 0:
        _enter_namespace(sys.argv[1:])
    order = WorkOrder.model_validate_json(order_file.read_bytes())
    builder: Builder
    if kind == "chroot":
        builder = ChrootBuilder(workdir.resolve(), owner=f"by-hand-{os.getpid()}")
    else:
        builder = MockBuilder(workdir.resolve(), MockSettings(user=mock_user))
    result.mkdir(parents=True, exist_ok=True)
    if any(result.iterdir()):
        raise InputError(f"{result} is not empty")
    work = workdir.resolve() / f"by-hand-{os.getpid()}"
    work.mkdir(parents=True)
    try:
        outcome = builder.build(
            order,
            payload.resolve(),
            work,
            result.resolve(),
            stage=lambda name: click.echo(name, err=True),
            stop=lambda: "",
        )
    finally:
        process.run(["rm", "-rf", work], timeout=600)
    click.echo(
        json.dumps({
            "ok": outcome.ok,
            "failure_kind": outcome.kind,
            "reason": outcome.reason,
            "rpms": sorted(path.name for path in result.glob("*.rpm")),
            "installed": len(outcome.lock),
            "seconds": dict(outcome.seconds),
            "facts": dict(outcome.facts),
        }, indent=2)
    )  # fmt: skip
    raise SystemExit(exit_code(outcome.kind))


def exit_code(kind: FailureKind | None) -> int:
    """Return mock's exit code for a failure kind; 75 for infrastructure.

    >>> exit_code(None), exit_code(FailureKind.DEPENDENCIES), exit_code(FailureKind.INFRASTRUCTURE)
    (0, 30, 75)
    """
    return 0 if kind is None else _EXIT_CODES.get(kind, _EXIT_INFRASTRUCTURE)


def _owner(config: WorkerConfig, slot: int) -> str:
    """Return the name of our control groups.

    Two farms on one machine may both have a worker ``local-1``: the folder distinguishes them.
    """
    place = hashlib.sha256(str(config.workdir).encode()).hexdigest()[:8]
    return f"{config.name}-{slot}-{place}"


def make_builder(config: WorkerConfig, slot: int) -> Builder:
    """Return the builder of a configuration."""
    if config.builder == "mock":
        return MockBuilder(config.workdir / f"mock-{slot}", config.mock, owner=_owner(config, slot))
    return ChrootBuilder(config.workdir, owner=_owner(config, slot), keep_bases=config.keep_bases)


def serve(config: WorkerConfig, slot: int) -> None:
    """Run one slot until the process is stopped."""
    from buildfarm_workers import app as celery_side  # noqa: PLC0415  # single builds need no Celery

    builder = make_builder(config, slot)
    hub = Hub(config.hub_url, config.token, ca=config.hub_ca)
    worker = Worker(config, hub, builder, config.workdir / "slots" / str(slot))
    worker.clean()
    welcome = worker.hello(patience=_FOREVER)
    app = celery_side.application(config, worker.work)
    log.get().info(
        "worker.ready", name=config.name, slot=slot, queues=config.queues, builder=builder.version()
    )
    try:
        with beating(
            lambda: _register_again(worker), interval=welcome.heartbeat_seconds, name="hello"
        ):
            celery_side.consume(
                app,
                config,
                slot=slot,
                on_shutdown=lambda: worker.end(f"worker {config.name} was told to stop"),
            )
    finally:
        hub.close()


def _register_again(worker: Worker) -> bool:
    """Tell the hub that this worker is there: it regards an idle worker as lost after a lease."""
    try:
        worker.hello(patience=0.0)
    except NotAllowed as error:
        log.get().error("worker.unknown", reason=str(error))
    return True


def _enter_namespace(arguments: list[str]) -> None:
    """Start again, with the same process id, in a mount namespace of our own."""
    command = [sys.executable, "-m", "buildfarm_workers.main", *arguments, "--own-namespace"]
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", *command])  # noqa: S606


def _supervise(config: WorkerConfig, file: Path) -> None:
    """Run one child for each slot, restart those that end, and end all with this process."""
    over = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())

    def keep(slot: int) -> None:
        command = [sys.executable, "-m", "buildfarm_workers.main", "--config", str(file.resolve())]
        command += ["--slot", str(slot), "--own-namespace"]
        while not over.is_set():
            done = process.run(
                command, timeout=_FOREVER, ok=None, out=sys.stderr.buffer, max_output=sys.maxsize,
                watch=lambda: "told to stop" if over.is_set() else "",
            )  # fmt: skip
            log.get().warning("slot.ended", slot=slot, returncode=done.returncode)
            over.wait(_RESTART_SECONDS)

    threads = [
        threading.Thread(target=keep, args=(slot,), name=f"slot-{slot}")
        for slot in range(config.slots)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Run the command; print the farm's errors on standard error, and exit with 1."""
    try:
        cli(standalone_mode=False)
    except BuildFarmError as error:
        click.echo(f"buildfarm-worker: {error}", err=True)
        raise SystemExit(1) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except click.Abort:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()

"""``buildfarm reproduce``: repeat a build here, in its original buildroot, and compare."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import click

from buildfarm.adapters.system import process
from buildfarm.api.responses.build.builds import BuildOrder
from buildfarm.cli import output
from buildfarm.cli.hub.queries import client
from buildfarm.cli.local.compare import compare
from buildfarm.client import Client
from buildfarm.errors import InfraError, InputError
from buildfarm.wire import WorkOrder

_PATIENCE, _POLL = 600.0, 1.0
_EPOCH = re.compile(r"-[0-9]+:")


@click.command("reproduce")
@click.argument("build")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder for all files; it must not exist.",
)
@click.option("--arch", default="", help="The arch of the task (default: the last task).")
@click.option(
    "--builder", type=click.Choice(["chroot", "mock"]), default="chroot", show_default=True
)
@click.pass_context
def reproduce(context: click.Context, build: str, out: Path, arch: str, builder: str) -> None:
    """Repeat BUILD in its original buildroot, on this machine, and compare the results.

    A collected repository generation is written again first. Exit code: that of `buildfarm
    compare`; mock's if the build fails.
    """
    hub = client()
    if out.exists():
        raise InputError(f"{out} exists", hint="name a folder that does not")
    found = _order(hub, build, arch)
    order = found.order
    then, now = out / "then", out / "now"
    for folder in (then, now):
        folder.mkdir(parents=True)
    order = order.model_copy(update={"buildroot": order.buildroot.at(hub.url)})
    (out / "order.json").write_text(order.model_dump_json(indent=1), encoding="utf-8")
    payload = out / order.payload.filename
    hub.builds.download(order.build, order.payload.sha256, payload)
    for file in found.files:
        hub.builds.download(order.build, file.sha256, then / file.filename)
    _build(out, payload, now, builder, seconds=order.limits.seconds)
    _compare_locks(hub, order, now)
    context.invoke(compare, old=str(then), new=str(now))


def _order(hub: Client, build: str, arch: str) -> BuildOrder:
    """Return the order once its generation's files are there. :raises InfraError: they are not."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = hub.builds.order(build, arch=arch)
        if found.generation.state == "ready":
            return found
        output.err.print("the generation it was built on is being written again …")
        time.sleep(_POLL)
    raise InfraError(
        "the generation was not restored in time",
        hint="`buildfarm events` says what its task is at",
    )


def _build(out: Path, payload: Path, result: Path, builder: str, *, seconds: int) -> None:
    worker = Path(sys.prefix) / "bin" / "buildfarm-worker"
    if not worker.exists():
        raise InputError(
            f"{worker} is not here", hint="install the package buildfarm_workers beside the CLI"
        )
    output.err.print(f"building in {out} …")
    argv: list[str | Path] = [
        worker,
        "build",
        out / "order.json",
        "--payload",
        payload,
        "--result",
        result,
        "--builder",
        builder,
    ]
    done = process.run(argv, timeout=seconds + _PATIENCE, ok=None)
    (out / "worker.log").write_text(done.text, encoding="utf-8")
    if done.returncode != 0:
        raise InputError(
            f"it does not build any more, exit code {done.returncode}",
            hint=f"{out}/worker.log and {result}/build.log",
        )


def _compare_locks(hub: Client, order: WorkOrder, result: Path) -> None:
    """Print whether the buildroot was the same, RPM by RPM."""
    lines = [
        line
        for lock in hub.builds.lock(order.build).locks
        if lock.arch == order.arch
        for line in lock.lock
    ]
    then = {f"{line.name}-{line.version}-{line.release}.{line.arch}" for line in lines}
    text = (result / "installed_pkgs.log").read_text(encoding="utf-8")
    # %{nevra} comes first, as mock writes it.
    now = {_EPOCH.sub("-", line.split()[0]) for line in text.splitlines() if line.strip()}
    for words, names in (("only then", then - now), ("only now", now - then)):
        if names:
            output.out.print(f"buildroot, {words}: {', '.join(sorted(names))}", highlight=False)
    if then == now:
        output.out.print(f"buildroot: the same {len(now)} RPMs as then", highlight=False)


COMMANDS = (reproduce,)

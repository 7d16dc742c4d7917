"""One task, from claim to report.

It is independent of Celery: a message only leads to a call of :meth:`Worker.work`.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from pathlib import Path

import structlog

from buildfarm import log
from buildfarm.domain.core.build import FailureKind
from buildfarm.errors import BuildFarmError, ConfigError
from buildfarm.wire import Artifact, Claim, Hello, Report, Welcome
from buildfarm_workers import __version__
from buildfarm_workers.builders import Builder, Outcome
from buildfarm_workers.builders.buildroot.overlay import remove_stale, remove_tree
from buildfarm_workers.builders.port import one_line
from buildfarm_workers.builders.resultdir import BUILD_LOG, SIDE_LOGS
from buildfarm_workers.capacity import capacity
from buildfarm_workers.config import WorkerConfig
from buildfarm_workers.hub_client import Hub, Lease, LeaseLost, NotClaimable, Refused
from buildfarm_workers.leasekeeper import LogStream, Stage, StopSign, heartbeat

_BEATS_A_LEASE = 4
_CHUNK = 1024 * 1024
_ROOT_LOG_TAIL = 32 * 1024  # the hub takes little more than the order's log limit


class Worker:
    """One slot, which takes one task at a time.

    ``folder`` is its own, with the files of the current task.
    """

    def __init__(self, config: WorkerConfig, hub: Hub, builder: Builder, folder: Path) -> None:
        self._config = config
        self._hub = hub
        self._builder = builder
        self._folder = folder
        self._version = builder.version()
        self._features = builder.features()
        self._beat = float("inf")
        self._sign: StopSign | None = None
        self._ending = ""
        self._done = 0

    def clean(self) -> None:
        """Remove the files of a killed predecessor in this slot."""
        self._builder.remove_stale()
        self._folder.mkdir(parents=True, exist_ok=True)
        if count := remove_stale(self._folder):
            log.get().warning("worker.cleaned", folder=str(self._folder), entries=count)

    def hello(self, *, patience: float | None = None) -> Welcome:
        """Register the worker; the answer sets the interval of heart-beats."""
        problems = self._builder.missing()
        if problems:
            raise ConfigError(f"builder {self._builder.name}: {'; '.join(problems)}")
        hello = Hello(
            name=self._config.name,
            arches=self._config.arches,
            builder=self._config.builder,
            slots=self._config.slots,
            features={**capacity(), **self._features, "builder": self._version},
            version=__version__,
        )
        welcome = self._hub.hello(hello, patience=patience)
        self._beat = welcome.heartbeat_seconds
        return welcome

    def end(self, reason: str) -> None:
        """Stop the current task because the process is stopped, and report it as infrastructure."""
        self._ending = reason
        if self._sign is not None:
            self._sign.raise_(reason)

    def work(self, task: str) -> bool:
        """Claim ``task``, build it, report.

        Errors are reported, or logged if the hub does not listen.

        :return: whether this worker should take another.
        """
        structlog.contextvars.bind_contextvars(task=task, worker=self._config.name)
        try:
            claim, lease = self._hub.claim(task)
        except NotClaimable as stale:
            log.get().info("task.not_claimable", reason=str(stale))
        except BuildFarmError as trouble:
            log.get().error("task.not_claimed", reason=str(trouble))
        else:
            self._done += 1
            self._hold(claim, lease)
        finally:
            structlog.contextvars.clear_contextvars()
        return not self._config.tasks or self._done < self._config.tasks

    def _hold(self, claim: Claim, lease: Lease) -> None:
        order = claim.order
        structlog.contextvars.bind_contextvars(build=order.build, nvr=order.nvr, kind=order.kind)
        log.get().info("task.claimed")
        sign, stage = StopSign(), Stage()
        self._sign = sign
        if self._ending:
            sign.raise_(self._ending)
        folder = self._folder / order.task
        try:
            with heartbeat(
                lease, stage, sign, min(self._beat, claim.lease_seconds / _BEATS_A_LEASE)
            ):
                report = self._attempt(claim, lease, folder, stage, sign)
                if sign.lost:
                    log.get().warning("task.dropped", reason=sign.reason)
                    return
                self._finish(lease, report)
            log.get().info(
                "task.finished", ok=report.ok, failure=report.failure_kind, reason=report.reason
            )
        except LeaseLost as lost:
            log.get().warning("task.dropped", reason=str(lost))
        except BuildFarmError as trouble:
            log.get().error("task.not_reported", reason=str(trouble))
        finally:
            self._sign = None
            remove_tree(folder)

    def _attempt(
        self, claim: Claim, lease: Lease, folder: Path, stage: Stage, sign: StopSign
    ) -> Report:
        """Build and upload; every error becomes a report.

        :raises LeaseLost: there is no lease to report to.
        """
        try:
            return self._build(claim, lease, folder, stage, sign)
        except LeaseLost:
            raise
        except BuildFarmError as trouble:
            return self._failed(str(trouble))
        except Exception as error:  # noqa: BLE001  # a bug is reported like any failure, and logged
            log.get().exception("task.crashed")
            return self._failed(f"{type(error).__name__}: {error}")

    def _build(
        self, claim: Claim, lease: Lease, folder: Path, stage: Stage, sign: StopSign
    ) -> Report:
        buildroot = claim.order.buildroot.at(self._config.hub_url)
        order = claim.order.model_copy(update={"buildroot": buildroot})
        work, result = folder / "work", folder / "result"
        for place in (folder, work, result):
            place.mkdir(parents=True)
        payload = folder / Path(order.payload.filename).name
        lease.payload(order.payload, payload)
        stream = LogStream(lease, result / BUILD_LOG, sign)
        with stream.running():
            outcome = self._builder.build(order, payload, work, result, stage=stage, stop=sign)
        if sign.lost:
            return self._failed(sign.reason)
        if not outcome.ok:
            _explain(result / BUILD_LOG, result, outcome)
        stage("upload")
        stream.flush()
        shutil.rmtree(work, ignore_errors=True)
        return self._report(outcome, tuple(_upload(lease, file) for file in _files(result)))

    def _finish(self, lease: Lease, report: Report) -> None:
        try:
            lease.finish(report)
        except Refused as refused:
            log.get().error("task.report_refused", reason=str(refused))
            lease.finish(self._failed(f"the hub refused the result: {refused}"))

    def _report(self, outcome: Outcome, artifacts: tuple[Artifact, ...]) -> Report:
        return Report(
            ok=outcome.ok,
            failure_kind=outcome.kind,
            reason=outcome.reason,
            artifacts=artifacts,
            lock=outcome.lock,
            asked_for=outcome.asked_for,
            seconds=dict(outcome.seconds),
            builder=self._version,
            host={
                "name": platform.node(),
                "boot_id": _boot_id(),
                **self._features,
                **outcome.facts,
            },
        )

    def _failed(self, reason: str) -> Report:
        return self._report(Outcome(kind=FailureKind.INFRASTRUCTURE, reason=one_line(reason)), ())


def _boot_id() -> str:
    """Return the id of this boot of this machine (random(4)); a guest's differs from its host's."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _files(result: Path) -> list[Path]:
    """Return the artifacts: RPMs and the side logs; build.log is streamed."""
    logs = [
        result / name
        for name in SIDE_LOGS
        if (result / name).exists() and (result / name).stat().st_size
    ]
    return [*sorted(result.glob("*.rpm")), *logs]


def _upload(lease: Lease, file: Path) -> Artifact:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    lease.upload(file, digest.hexdigest())
    return Artifact(filename=file.name, sha256=digest.hexdigest(), size=file.stat().st_size)


def _explain(build_log: Path, result: Path, outcome: Outcome) -> None:
    """Append the reason to the log of a failed task, and dnf's output if rpmbuild had none."""
    with build_log.open("ab") as out:
        root_log = result / SIDE_LOGS[0]
        if build_log.stat().st_size == 0 and root_log.exists():
            out.write(root_log.read_bytes()[-_ROOT_LOG_TAIL:])
        out.write(f"\n*** {outcome.kind}: {outcome.reason} ***\n".encode())

"""The build page: everything about one build, so that nobody must read a log first to know why."""

from __future__ import annotations

from buildfarm.domain.core.build import NEEDS_NOTHING, Build
from buildfarm.domain.core.records import BootstrapVariant, LearnedRequires, SourceOverride
from buildfarm.domain.core.task import Task, TaskKind
from buildfarm.domain.intake.drop import Drop, DropItem, VendorRpm
from buildfarm.domain.publish.repository import Artifact, Generation
from buildfarm.ports.store import Transaction
from buildfarm.services.core import bootstrap_variants
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import buildroots
from buildfarm_web.read_models.build import builds
from buildfarm_web.read_models.build.findings import newest_comparison, reading
from buildfarm_web.read_models.build.parity import parities
from buildfarm_web.read_models.build.tasks import task_json
from buildfarm_web.read_models.build.waiver_requests import open_waiver_requests
from buildfarm_web.read_models.core.convert import Json, stamp
from buildfarm_web.read_models.core.history import about_build, event_of, states_of
from buildfarm_web.read_models.schedule import forecast
from buildfarm_web.read_models.selfhosting.shares import Shares


def tasks_of(tx: Transaction, build: Build) -> list[Task]:
    """The tasks of a build in the order they were made."""
    return tx.find(Task, subject=build.id, order_by="created,id")


def build_page(hub: Hub, tx: Transaction, shares: Shares, name: str) -> Json:
    """One build by id or name-version-release. :raises NotFound: there is none."""
    build = builds.find_build(tx, name)
    found = tasks_of(tx, build)
    history = about_build(tx, build.id, [task.id for task in found])
    comparison = newest_comparison(tx, build.id)
    artifacts = tx.find(Artifact, build=build.id, order_by="arch,filename")
    locks = _locks(hub, tx, shares, found)
    drop = tx.first(Drop, id=build.drop_id)
    page = builds.row(hub, build)
    page |= {
        "nevra": str(build.nevra),
        "moving": _is_moving(build),
        "act": builds.act_on(build),
        "outlook": forecast.why(hub, tx, build),
        "who": builds.sig_of(hub, build.target, build.source),
        "drop_name": drop.name if drop else "",
        "arches": list(build.arches),
        "dist": build.dist,
        "requires": list(build.requires),
        "found_requires": list(build.found_requires),
        "learned_requires": _learned(tx, build),
        "bootstrap_variant": _variant(tx, build),
        "provides": list(build.provides),
        "states": states_of(history, build.id, tx.now),
        "tasks": [task_json(task, tx.now) for task in found],
        "artifacts": [_artifact_json(artifact) for artifact in artifacts],
        "locks": locks,
        "self_hosted_share": _share(locks),
        "parity": parities(hub, tx, shares, build, found),
        "audit": build.audit,
        "comparison": reading(comparison) if comparison else None,
        "override": build.override or None,
        "override_in_force": _override(tx, build),
        "provenance": _provenance(tx, build, found, artifacts),
        "vendor_rpms": _vendor_rpms(tx, build),
        "asks": open_waiver_requests(tx, build=build.id),
        "events": [event_of(event) for event in history],
    }
    return page


def _is_moving(build: Build) -> bool:
    """Return whether the page has something to follow."""
    if build.state in NEEDS_NOTHING:
        return False
    return not builds.is_refused(build)


def _artifact_json(artifact: Artifact) -> Json:
    return {
        "filename": artifact.filename,
        "name": artifact.name,
        "arch": artifact.arch,
        "repository": artifact.repository.value,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "header": artifact.header,
        "signed": artifact.signed,
        "task": artifact.task,
    }


def _locks(hub: Hub, tx: Transaction, shares: Shares, tasks: list[Task]) -> list[Json]:
    """A summary of each lock; ``GET /builds/<id>/lock`` has the lines."""
    found: list[Json] = []
    for task in tasks:
        counted = shares.of(hub, tx, task.lock) if task.lock else None
        if counted is not None:
            ours, total = counted
            share = ours / total if total else None
            found.append(
                {"task": task.id, "kind": task.kind.value, "arch": task.arch, "digest": task.lock, "ours": ours,
                 "all": total, "share": share}
            )  # fmt: skip
    return found


def _learned(tx: Transaction, build: Build) -> list[str]:
    """Return what the last good build of the source asked for while it was built."""
    found = tx.first(LearnedRequires, id=LearnedRequires.id_of(build))
    return list(found.requires) if found else []


def _variant(tx: Transaction, build: Build) -> Json | None:
    """The spec's bootstrap condition, and what it would require under it once that is known."""
    found = tx.first(BootstrapVariant, id=build.id)
    if found is None:
        return None
    return {
        "condition": found.condition,
        "requires": list(found.requires) if found.srpm else None,
        "problem": found.problem,
    }


def _share(locks: list[Json]) -> float | None:
    counted = [lock for lock in locks if lock["kind"] == TaskKind.BUILD]
    total = sum(lock["all"] for lock in counted)
    return sum(lock["ours"] for lock in counted) / total if total else None


def _override(tx: Transaction, build: Build) -> Json | None:
    found = tx.first(SourceOverride, target=build.target, source=build.source, active=True)
    return override_json(found) if found else None


def override_json(override: SourceOverride) -> Json:
    """An engineer's exception, with who made it and why."""
    return {
        "id": override.id, "target": override.target, "source": override.source, "settings": override.settings,
        "reason": override.reason, "actor": override.actor, "active": override.active,
        "created": stamp(override.created),
    }  # fmt: skip


def _vendor_rpms(tx: Transaction, build: Build) -> list[Json]:
    """The vendor's binaries of the same SRPM, which the comparison stands on."""
    found = tx.find(
        VendorRpm, target=build.target, sourcerpm=build.srpm_filename, order_by="filename"
    )
    return [
        {"filename": rpm.filename, "sha256": rpm.sha256, "arch": rpm.arch, "problem": rpm.problem}
        for rpm in found
    ]


def _provenance(
    tx: Transaction, build: Build, tasks: list[Task], artifacts: list[Artifact]
) -> list[Json]:
    """The chain from the vendor's signature to our verdict, one link a line: ``[{link, value,
    digest, note}]``.
    """
    items = tx.find(DropItem, drop_id=build.drop_id, sha256=build.srpm)
    problem = next((item.problem for item in items if item.problem), "")
    by_key = f"signature verified, key {build.signed_by}"
    note = (
        f"not trusted: {problem}"
        if problem
        else f"digests verified, {build.signed_by}"
        if " " in build.signed_by
        else by_key
    )
    chain = [
        _link("vendor's SRPM", build.srpm_filename, build.srpm, note),
        _link("debrand rule", build.rule_date or ("applied" if build.rule_digest else "no rule for this source"),
              build.rule_digest, "the SRPM stays byte for byte" if not build.rule_digest else ""),
    ]  # fmt: skip
    if build.debranded_srpm:
        chain.append(_link("debranded SRPM", f"{build.nvr}.src.rpm", build.debranded_srpm, ""))
    if variant := bootstrap_variants.of(tx, build):
        chain.append(
            _link(
                "SRPM under its bootstrap condition",
                f"{build.nvr}.src.rpm",
                variant.srpm,
                variant.condition,
            )
        )
    for task in tasks:
        if task.kind is TaskKind.BUILD and task.lock:
            generation = tx.first(Generation, id=task.generation) if task.generation else None
            value = f"{generation.tag} {generation.number}" if generation else "seed only"
            chain.append(
                _link(
                    "repository generation",
                    value,
                    generation.digest if generation else "",
                    task.arch,
                )
            )
            chain += [
                _link("on top of", f"{below.tag} {below.number}", below.digest, task.arch)
                for below in tx.find(Generation, id=buildroots.pinned(task.order)[1:])
            ]
            built = f"{task.worker}, {task.result.get('builder') or 'unknown builder'}"
            chain.append(_link("worker", built, "", ""))
            found = task.result.get("host")
            host = found if isinstance(found, dict) else {}
            if host.get("guest"):
                machine = f"{host['guest']} on {host['kvm_host']} ({host.get('accelerator', 'unknown')}), boot {host.get('boot_id')}"
                chain.append(
                    _link(
                        "guest",
                        machine,
                        str(host.get("image", "")),
                        "digest of the image it booted",
                    )
                )
            chain.append(_link("buildroot lock", f"task {task.id}", task.lock, task.arch))
    chain += [
        _link("RPM we made", item.filename, item.sha256, "as built")
        for item in artifacts
        if not item.is_source
    ]
    chain += [
        _link("RPM as published", item.filename, item.signed, "signed")
        for item in artifacts
        if item.signed
    ]
    if build.verdict:
        chain.append(
            _link(
                "verdict",
                build.verdict,
                "",
                build.gate_reason or f"gate {build.gate or 'not asked yet'}",
            )
        )
    return chain


def _link(link: str, value: str, digest: str, note: str) -> Json:
    return {"link": link, "value": value, "digest": digest, "note": note}

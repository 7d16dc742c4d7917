"""The repository poller: looks at each vendor's repositories at their intervals, and makes one drop
of the new packages.

It reads metadata only. The files of a drop are named by URL and digest and fetched when it is
ingested, so a drop can be followed (and its plan approved) meanwhile. A failed look is tried again
after growing pauses; a repeated look gives the same drop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from buildfarm import log
from buildfarm.domain.intake.drop import Drop, ItemKind
from buildfarm.domain.intake.polling import Findings, ListedRpm, Look, findings
from buildfarm.domain.target.allowed_url import permitted
from buildfarm.domain.target.target import Target
from buildfarm.domain.target.trigger import Poll, SeenFile, TriggerState, pause, place_of
from buildfarm.errors import BuildFarmError, InputError, NotNow
from buildfarm.ports.fetching import LookAt
from buildfarm.services.core import leader
from buildfarm.services.core.hub import Hub
from buildfarm.services.intake import drops, triggers
from buildfarm.services.intake.drops import Offered

_ROUND_SECONDS = 5.0
_APPROVE = "the first look at {name} takes {count} sources"


class Poller:
    """``owner`` names this process among those that may stand by; ``chance`` gives numbers in [0,
    1).
    """

    def __init__(
        self, hub: Hub, look_at: LookAt, *, owner: str, chance: Callable[[], float]
    ) -> None:
        self._hub = hub
        self._look_at = look_at
        self._owner = owner
        self._chance = chance

    def run(self, stop: threading.Event) -> None:
        """Look at repositories that are due until ``stop``, unless another process does."""
        while not stop.is_set():
            try:
                if self.lead():
                    self.round()
            except BuildFarmError as error:
                log.get().warning("poller.hindered", reason=str(error))
            except Exception:  # noqa: BLE001  # the next round tries again; the log has the traceback
                log.get().exception("poller.broke")
            stop.wait(_ROUND_SECONDS)

    def lead(self) -> bool:
        """Take or renew the poller's lease; should it run out during a long look, another's look
        makes the same drop.
        """
        lease = max(self._hub.config.farm.timing.leader_lease, 3 * _ROUND_SECONDS)
        return leader.lead(self._hub.store, "poller", owner=self._owner, seconds=lease)

    def round(self, *, everything: bool = False) -> list[TriggerState]:
        """Look at every poll that is due (or at all of them) and return their states."""
        done = []
        for target in self._hub.config.targets.values():
            for poll in target.triggers.polls:
                with self._hub.store.read() as tx:
                    state, now = triggers.state_of(tx, target, poll), tx.now
                if everything or state.next_look is None or state.next_look <= now:
                    done.append(self.look(target, poll, state))
                    self.lead()
        return done

    def look(self, target: Target, poll: Poll, state: TriggerState) -> TriggerState:
        """Look once at all repositories of a poll."""
        try:
            looks = {
                place: self._look_at(
                    place, place_of(state.position, place), allowed=target.allowed_urls,
                    work=self._hub.scratch,
                )
                for place in poll.places
            }  # fmt: skip
            return self._take(target, poll, state, looks)
        except BuildFarmError as error:
            return self._failed(poll, state, error)

    def _take(
        self, target: Target, poll: Poll, state: TriggerState, looks: dict[str, Look]
    ) -> TriggerState:
        found, refused = self._findings(target, poll, state, looks)
        drop, words = None, "nothing new"
        if found.taken:
            drop, words = self._drop(target, poll, state, found.taken, looks)
        elif found.passed_over:
            words = f"passed over {len(found.passed_over)} RPMs"
        with self._hub.store.begin() as tx:
            triggers.remember(tx, state.id, _kept(found.taken), drop=drop.id if drop else "")
            if triggers.remember(tx, state.id, _kept(found.passed_over), drop="") and not drop:
                tx.event("trigger.passed_over", state.id, actor="poller", why=words)
            later = tx.now + timedelta(seconds=pause(poll.interval, 0, self._chance()))
            position = {place: dict(look.position) for place, look in looks.items()}
            return triggers.note(
                tx,
                state,
                found=words,
                drop=drop,
                problem=refused,
                next_look=later,
                position=position,
            )

    def _findings(
        self, target: Target, poll: Poll, state: TriggerState, looks: dict[str, Look]
    ) -> tuple[Findings, str]:
        """Return what all repositories bring together, and why something of it is refused."""
        if all(look.rpms is None for look in looks.values()):
            return Findings(), ""
        with self._hub.store.read() as tx:
            known = tx.find(SeenFile, trigger=state.id)
        seen = {file.sha256 for file in known}
        sent = {file.name for file in known if file.drop_id}
        taken: list[ListedRpm] = []
        passed_over: list[ListedRpm] = []
        refused = ""
        for place, look in looks.items():
            first = "digest" not in place_of(state.position, place)
            fetchable = []
            for rpm in look.rpms or ():
                try:
                    permitted(rpm.url, target.allowed_urls)
                    fetchable.append(rpm)
                except InputError as error:
                    refused = f"{rpm.filename} is left out: {error}"
            new = findings(
                fetchable,
                arches=target.arches,
                seen=seen,
                sent=sent,
                first=first,
                skip=first and poll.first_look == "skip",
            )
            taken += new.taken
            passed_over += new.passed_over
            seen |= {rpm.sha256 for rpm in new.taken}
            sent |= {rpm.filename for rpm in new.taken if rpm.is_source}
        return Findings(taken=tuple(taken), passed_over=tuple(passed_over)), refused

    def _drop(
        self,
        target: Target,
        poll: Poll,
        state: TriggerState,
        taken: Sequence[ListedRpm],
        looks: dict[str, Look],
    ) -> tuple[Drop, str]:
        sources = sum(rpm.is_source for rpm in taken)
        first = not state.position and poll.first_look == "approve" and sources > 0
        offered = [
            Offered(
                kind=ItemKind.SRPM if rpm.is_source else ItemKind.BINARY, url=rpm.url,
                sha256=rpm.sha256, filename=rpm.filename,
            )
            for rpm in taken
        ]  # fmt: skip
        revision = looks[poll.places[0]].position.get("revision", "")
        received = drops.receive(
            self._hub, target.name, offered, trigger=triggers.word(poll), actor=triggers.word(poll),
            name=f"{poll.name} at revision {revision}" if revision else poll.name,
            priority=poll.priority, automatic=True,
            because=_APPROVE.format(name=poll.name, count=sources) if first else "",
        )  # fmt: skip
        return received.drop, f"{sources} SRPMs and {len(taken) - sources} binaries"

    def _failed(self, poll: Poll, state: TriggerState, error: BuildFarmError) -> TriggerState:
        failures = state.failures + 1
        retry_after = error.retry_after if isinstance(error, NotNow) else None
        with self._hub.store.begin() as tx:
            later = tx.now + timedelta(
                seconds=pause(poll.interval, failures, self._chance(), retry_after=retry_after)
            )
            return triggers.note(tx, state, problem=str(error), failures=failures, next_look=later)


def _kept(rpms: Sequence[ListedRpm]) -> list[tuple[str, str, str]]:
    return [(rpm.sha256, rpm.filename, "") for rpm in rpms]

"""``/worker/v1/guests``: how a KVM host gets identities for its guests and gives them back.

Bodies are :mod:`buildfarm.wire`.

A host's token opens these calls and nothing else; it can neither claim a task nor see one.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response

from buildfarm import wire
from buildfarm.domain.core.worker import Host
from buildfarm.errors import InfraError, NotAllowed
from buildfarm.services.build import guests
from buildfarm.services.build.guests import GuestProvisioning
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http.access import host, read_body

blueprint = Blueprint("guest_api", __name__, url_prefix="/worker/v1/guests")


def _provisioning() -> GuestProvisioning:
    found = app_context().provisioning
    if found is None:
        raise InfraError("this hub makes no identities for guests")
    return found


@blueprint.get("")
def list_guests() -> Response:
    """The host's guests that are not over; asking is the host's sign of life."""
    known = host()
    hub = the_hub()
    with hub.store.begin() as tx:
        tx.update(tx.get(Host, known.id), seen=tx.now)
        found = guests.guests_of(tx, known)
    answer = wire.Guests(guests=found, heartbeat_seconds=hub.config.farm.timing.heartbeat)
    return Response(answer.model_dump_json(), content_type="application/json")


@blueprint.post("")
def admit() -> Response:
    """An identity for one new guest."""
    known = host()
    identity = guests.admit(the_hub(), _provisioning(), known, read_body(wire.GuestRequest))
    return Response(
        identity.model_dump_json(), status=HTTPStatus.CREATED, content_type="application/json"
    )


@blueprint.get("/buildroots/<target>/<arch>")
def buildroot(target: str, arch: str) -> Response:
    """Return the buildroot of a task of this target and arch: an image is installed from the
    same repositories.

    :raises NotAllowed: the host builds nothing for this target.
    """
    known = host()
    if not any(queue.startswith(f"{target}.{arch}.") for queue in known.queues):
        raise NotAllowed(
            f"{known.id} builds nothing for {target} on {arch}",
            hint="`buildfarm host-add` says what it builds",
        )
    return Response(
        _provisioning().buildroot(target, arch).model_dump_json(), content_type="application/json"
    )


@blueprint.delete("/<name>")
def dismiss(name: str) -> Response:
    """The machine is gone. :raises NotFound: the host has no such guest."""
    known = host()
    guests.dismiss(the_hub(), _provisioning(), known, name, read_body(wire.GuestGone).reason)
    return Response("{}", content_type="application/json")

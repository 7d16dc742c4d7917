"""Context of a request handler: the hub, the intake and the limits the application was made
with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app

from buildfarm.ports.intake import Intake
from buildfarm.services.auth.login import LoginTools
from buildfarm.services.build.guests import GuestProvisioning
from buildfarm.services.core.hub import Hub
from buildfarm_web.live.following import Following
from buildfarm_web.read_models.build.source_status import SourceStatusIndex
from buildfarm_web.read_models.selfhosting.shares import Shares

_KEY = "buildfarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppContext:
    """The application's collaborators. ``blob_limit`` bounds one uploaded file, in bytes."""

    hub: Hub
    intake: Intake
    blob_limit: int
    shares: Shares
    source_statuses: SourceStatusIndex
    provisioning: GuestProvisioning | None
    login: LoginTools | None
    live: Following


def keep(extensions: dict[str, object], parts: AppContext) -> None:
    """Put the parts where :func:`app_context` finds them."""
    extensions[_KEY] = parts


def of(extensions: Mapping[str, Any]) -> AppContext:
    """The parts of an application."""
    found: AppContext = extensions[_KEY]
    return found


def app_context() -> AppContext:
    """The parts of the application that answers this request."""
    return of(current_app.extensions)


def the_hub() -> Hub:
    """The hub of the application that answers this request."""
    return app_context().hub

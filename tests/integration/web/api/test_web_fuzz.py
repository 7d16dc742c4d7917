"""schemathesis against the real application with the told scenario: nothing that may be sent makes
the hub break its word.

All of its checks are on. Two of them are told what a schema cannot say: ``If-Match`` may name
another state (412 anywhere), and the operations in ``_BEYOND_SCHEMAS`` refuse by rules of the field
(422) what is valid by form. A NUL is nowhere taken, which no schema says (``allow-x00``).
"""

from __future__ import annotations

import itertools
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from buildfarm_web.app import create_app
from schemathesis.engine import events, from_schema
from werkzeug.serving import WSGIRequestHandler, make_server

from buildfarm.adapters.core.database import SqlStore
from buildfarm.config import Limits
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web import scenarios
from tests.integration.web.people_scenario import PEOPLE, introduce, token_of
from tests.integration.web.scenarios import Scenario

_REFUSED = ["400", "401", "403", "404", "405", "406", "409", "412", "415", "422", "429"]
_ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "412", "429"]
_BEYOND_SCHEMAS = {
    "put_blob": "the bytes must have the digest of the path",
    "post_drop": "something must be named, and uploaded before or in a drop folder",
    "post_override": "an override says something, or is removed",
    "post_waiver": "the kind must be one that can be waived, the day to come",
    "post_account": "a SIG must be there, a maintainer has one",
    "post_rights": "a SIG must be there, a maintainer has one",
    "post_token": "a token may no more than its account",
    "own_password": "the former password must be right",
    "reserve_worker": "a worker is for SIGs, targets or sources",
    "post_reference": "the text must be a lock",
    "post_target_reference": "the text must be a lock",
    "post_subscription": "the address must be one that can be told",
    "search": "a text of one line, or what is marked",
    "audit": "a cursor is one the list gave",
    **{f"list_{name}": "a cursor is one the list gave" for name in
       ("builds", "composes", "deliveries", "drops", "events", "generations", "overrides", "sources", "tasks", "waivers")},
}  # fmt: skip


@pytest.fixture
def quiet_hub(told: tuple[Path, Scenario], tmp_path: Path) -> Iterator[Hub]:
    """The told farm without limits, and with no disk to wait for."""
    home, scenario = told
    shutil.copytree(home, tmp_path, symlinks=True, dirs_exist_ok=True)
    hub = scenarios.open_hub(tmp_path, Clock(scenario.clock.now))
    farm = replace(hub.config.farm, limits=Limits(reads="", writes=""))
    yield replace(hub, config=replace(hub.config, farm=farm))
    assert isinstance(hub.store, SqlStore)
    hub.store.dispose()


_numbers = itertools.count()


@schemathesis.hook("before_call")
def fresh_key(context: Any, case: Any, kwargs: Any) -> None:
    """A key stands for one request: a good one that was generated before would meet itself again."""
    if case.headers and re.fullmatch(r"[!-~]{1,255}", str(case.headers.get("Idempotency-Key", ""))):
        case.headers["Idempotency-Key"] = str(uuid.UUID(int=next(_numbers)))


def configuration(
    scenario: Scenario, token: str, examples: int, *, at_length: bool
) -> schemathesis.Config:
    """Every boundary of every parameter and field, the same in every run; at length also what is
    made at random, and chains of requests.
    """
    known = {
        "build": [f"{source}-1.0-1.el9" for source in scenario.ids],
        "drop": [scenario.drop],
        "target": ["reef-9"],
        "worker": ["local-1"],
        "source": [*scenario.ids],
        "sig": ["core"],
        "account": [name for name in PEOPLE if name != "admin"],
    }
    return schemathesis.Config.from_dict({
        "seed": 20260302,
        "auth": {"openapi": {"token": {"bearer": token}}},
        "dictionaries": {name: {"values": values} for name, values in known.items()},
        "parameters": {f"path.{name}": {"dictionary": name, "probability": 0.7} for name in known},
        "generation": {"max-examples": examples, "database": "none", "deterministic": True, "allow-x00": False},
        "phases": {
            "stateful": {"enabled": at_length},
            "coverage": {"extra-data-sources": {"responses": at_length}, "unexpected-methods": ["DELETE"]},
            "fuzzing": {"enabled": at_length},
        },
        "checks": {
            "negative_data_rejection": {"expected-statuses": _REFUSED},
            "positive_data_acceptance": {"expected-statuses": _ACCEPTED},
        },
        "operations": [
            {"include-operation-id": name, "checks": {"positive_data_acceptance": {"expected-statuses": [*_ACCEPTED, "422"]}}}
            for name in _BEYOND_SCHEMAS
        ],
    })  # fmt: skip


class Quiet(WSGIRequestHandler):
    """Keeps connections and its peace."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...


def broken_words(
    hub: Hub, scenario: Scenario, examples: int, *, at_length: bool
) -> tuple[int, list[str]]:
    """How many requests were made, and what was not as described."""
    introduce(hub)
    app = create_app(hub, intake=scenarios.fake_intake, blob_limit=1 << 20)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        schema = schemathesis.openapi.from_url(
            f"http://127.0.0.1:{server.server_port}/api/v1/openapi.json",
            config=configuration(scenario, token_of(hub, "admin"), examples, at_length=at_length),
        )
        return _broken(schema)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _broken(schema: Any) -> tuple[int, list[str]]:
    count, found = 0, []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.append(f"{getattr(event, 'label', '')}: {event}")
        if not isinstance(event, events.ScenarioFinished):
            continue
        count += len(event.recorder.interactions)
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    found.append(
                        f"{event.label}: {check.name}: {failure.title}: {failure.message}\n{check.failure_info.code_sample}"
                    )
    return count, found


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_the_hub_does_what_the_document_says(quiet_hub: Hub, told: tuple[Path, Scenario]) -> None:
    count, found = broken_words(quiet_hub, told[1], 2, at_length=False)
    assert not found, "\n\n".join(found)
    assert count > 500


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_the_hub_does_what_the_document_says_at_length(
    quiet_hub: Hub, told: tuple[Path, Scenario]
) -> None:
    count, found = broken_words(quiet_hub, told[1], 40, at_length=True)
    assert not found, "\n\n".join(found)
    assert count > 2000

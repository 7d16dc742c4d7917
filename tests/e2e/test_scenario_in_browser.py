"""The farm as people live with it, in a real browser, on a farm whose every process is real.

A drop is triggered by a signed webhook and followed, without anybody reloading a page, until users
have it. A maintainer logs in, retries what their SIG answers for and is refused what is another's.
A waiver is given by form and lets a refused build through; when its day is over, the page that
shows the build follows it back.

No test waits for a midnight: the waiver ends by the very call of the scheduler's sweep
(``waivers.expire``), on the store of this running farm, made by a hub whose clock is two days
ahead; everything that follows from it (judging, the tags, the next generation, the page) is the
farm's own doing. That the sweep makes this call, and on which day, is proved in
``tests/integration/pipeline/build/test_pipeline_waivers.py``; revoking by form in
``tests/integration/web/auth/test_web_people.py``.

Pictures of the main pages of this farm are kept in ``var/screenshots/line-desk`` and
``line-phone``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from standardwebhooks import Webhook

from buildfarm import bootstrap
from buildfarm import config as configuration
from buildfarm.adapters.core.database.store import SqlStore, utc_now
from buildfarm.services.build import waivers
from demo.drive import Farm
from tests.conftest import CHECKOUT
from tests.e2e import chromium
from tests.e2e.chromium import open_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.world,
    pytest.mark.root,
    pytest.mark.timeout(900),
    chromium.NEEDED,
]

Line = tuple[Farm, dict[str, Any]]
PICTURES = CHECKOUT / "var" / "screenshots"
SERIOUS = ("serious", "critical")
PASSWORD = "a long walk along the reef"
PATIENCE = 120_000.0
"""Milliseconds that a build may take on a busy machine."""

SPEC = """
Name: {name}
Version: 1
Release: 1%{{?dist}}
Summary: Grows while somebody looks
License: MIT
BuildArch: noarch
%description
A test.
%build
{build}
%install
mkdir -p %{{buildroot}}/usr/share/{name} && echo grown > %{{buildroot}}/usr/share/{name}/leaf
%files
/usr/share/{name}
"""
GROWING = "for leaf in $(seq 20); do echo leaf $leaf of 20; sleep .4; done"
FAILING = "echo twig.c:7:3: error: no light down here; exit 1"


@pytest.fixture
def drop_of(line: Line, tmp_path: Path) -> Callable[[str, str], str]:
    """Makes an SRPM, reports it to the SIG's target as a forge would, and gives back the path of
    the drop's page.
    """
    farm, _ = line
    secret = (farm.home / "secrets" / "forge").read_text().strip()

    def make(name: str, build: str) -> str:
        spec = tmp_path / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, build=build))
        defines = ["--define", f"_topdir {tmp_path}", "--define", "dist .el9", "--define", f"_srcrpmdir {farm.home}/drops"]  # fmt: skip
        subprocess.run(
            ["rpmbuild", "-bs", "--nodeps", *defines, spec], check=True, capture_output=True
        )
        srpm = farm.home / "drops" / f"{name}-1-1.el9.src.rpm"
        body = json.dumps({"name": f"{name} for all", "srpms": [{"path": str(srpm)}]})
        identity, now = f"msg_{uuid.uuid4().hex}", datetime.now(UTC)
        headers = {
            "webhook-id": identity, "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(identity, now, body),
        }  # fmt: skip
        answer = httpx.post(
            f"{farm.url}/api/v1/hooks/reef-9-tools/forge",
            content=body,
            headers=headers,
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == 202, answer.text
        followed: str = answer.json()["url"]
        return followed[followed.index("/drops/") :]

    return make


def account(farm: Farm, name: str, role: str, *sigs: str) -> None:
    """Make an account as a release engineer does: at the hub's own command line."""
    env = {
        **os.environ,
        "BUILDFARM_HOME": str(farm.home),
        "BUILDFARM_CONFIG": str(farm.home / "farm.yaml"),
    }
    argv = [Path(sys.prefix) / "bin/buildfarm", "account", "add", name, "--role", role, "--local", "--reason", "for a test"]  # fmt: skip
    argv += [word for sig in sigs for word in ("--sig", sig)]
    subprocess.run(argv, input=f"{PASSWORD}\n", text=True, env=env, check=True, capture_output=True)


def log_in(page: Any, farm: Farm, name: str, onward: str) -> None:
    """Through the page's own link and form; it leads back to where one was."""
    page.goto(farm.url + onward)
    page.locator(".who a", has_text="Log in").click()
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("form.sheet button")
    assert page.url == farm.url + onward
    assert page.locator(".who").inner_text().startswith(name)


def badge(page: Any, word: str) -> None:
    """Wait until the head of the page says this; nobody reloads it."""
    page.locator("#head .badge", has_text=word).wait_for(timeout=PATIENCE)


def faults(page: Any) -> list[tuple[str, str, list[str]]]:
    """What axe finds serious on this page, with every folded part open."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(page).response["violations"]
    return [
        (page.url, fault["id"], [node["html"][:200] for node in fault["nodes"]][:3])
        for fault in found
        if fault["impact"] in SERIOUS
    ]


def test_a_drop_triggered_over_http_is_followed_live_until_users_have_it(
    browser: Any, line: Line, drop_of: Callable[[str, str], str]
) -> None:
    farm, _ = line
    page, said = open_page(browser)
    streams: list[str] = []
    page.on("request", lambda one: one.resource_type == "eventsource" and streams.append(one.url))
    page.goto(f"{farm.url}/targets/reef-9-tools")
    page.locator("#following:not([hidden])").wait_for()
    path = drop_of("sapling", GROWING)
    page.locator("#drops a", has_text="sapling for all").wait_for(
        timeout=PATIENCE
    )  # it came onto the open page
    page.click("#drops a:has-text('sapling for all')")
    assert page.url == farm.url + path
    page.locator("#build-table a, #builds a", has_text="sapling-1-1.el9").first.click(
        timeout=PATIENCE
    )
    page.evaluate("window.opened = 'once'")
    badge(page, "building")
    leaves = page.locator("#log-text .line", has_text=re.compile("^leaf "))
    page.locator("#growing").wait_for(timeout=PATIENCE)
    page.locator("#log-text .line", has_text=re.compile("^leaf 2 of")).wait_for(timeout=PATIENCE)
    early = leaves.count()
    page.locator("#log-text .line", has_text=re.compile("^leaf 20 of")).wait_for(timeout=PATIENCE)
    assert leaves.count() > early  # it grew while it was looked at
    badge(page, "published")
    badge(page, "uncompared")  # a SIG's own source has no vendor to compare with
    words = page.locator("#timeline .timeline b").all_inner_texts()
    assert [word for word in words if word in ("building", "built", "compared", "published")] == [
        "building", "built", "compared", "published",
    ]  # fmt: skip
    page.locator("#artifacts", has_text="sapling-1-1.el9.noarch.rpm").wait_for()
    assert page.evaluate("window.opened") == "once"
    assert any("/live/changes" in url for url in streams)
    assert any("/live/builds/" in url and "/log" in url for url in streams)
    assert (farm.home / "repos/reef-9-tools/current/x86_64").is_dir()
    page.context.close()
    assert said == []


def test_a_maintainer_retries_what_their_sig_answers_for_and_is_refused_the_rest(
    browser: Any, line: Line, drop_of: Callable[[str, str], str]
) -> None:
    farm, base_drop = line
    account(farm, "tilda", "maintainer", "tools")
    page, said = open_page(browser)
    log_in(page, farm, "tilda", drop_of("thicket", FAILING))
    page.locator("#builds a", has_text="thicket-1-1.el9").first.click(timeout=PATIENCE)
    own = page.url
    badge(page, "failed")
    assert "no light down here" in page.locator("#head .callout").inner_text()
    assert "no light down here" in page.locator("#log-text .err").first.inner_text()
    page.click("#do-retry summary")
    page.fill("#do-retry input[name=reason]", "the lamp is mended")
    page.click("#do-retry button")
    page.locator(".done", has_text="goes through the pipeline again").wait_for()
    page.locator("#head", has_text="attempt 2").wait_for(timeout=PATIENCE)
    badge(page, "failed")

    others = next(build for build in base_drop["builds"] if build["source"] == "stubborn")
    page.goto(f"{farm.url}/builds/{others['id']}")
    assert page.locator("#do-retry").count() == 0
    assert "answered for by SIG core" in page.locator("#actions").inner_text()
    csrf = page.locator("input[name=csrf]").first.get_attribute("value")
    forced = page.context.request.post(f"{farm.url}/builds/{others['id']}/retry", form={"csrf": csrf, "reason": "mine?"})  # fmt: skip
    assert forced.status == 403
    assert "tilda speaks for SIG tools" in forced.text()
    assert farm.get(f"/builds/{others['id']}")["attempt"] == others["attempt"]

    page.goto(f"{farm.url}/audit?actor=tilda")
    act = page.locator("#acts tbody tr", has_text="the lamp is mended")
    assert act.locator("td a").first.get_attribute("href") == urlsplit(own).path
    assert page.locator("#acts tbody tr", has_text="mine?").count() == 0
    page.context.close()
    assert said == []


def test_a_waiver_given_by_form_lets_a_build_through_until_its_day_is_over(
    browser: Any, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm, base_drop = line
    popt = next(build for build in base_drop["builds"] if build["source"] == "popt")
    account(farm, "erin", "engineer")
    page, said = open_page(browser)
    log_in(page, farm, "erin", f"/builds/{popt['id']}")
    badge(page, "incompatible")
    waived = []
    while page.locator("#do-waive").count():
        page.click("#do-waive summary")
        waived.append(page.locator("#do-waive option").first.inner_text())
        page.fill("#do-waive input[name=owner]", "core")
        page.fill("#do-waive input[name=expires]", f"{utc_now():%Y-%m-%d}")
        page.fill("#do-waive input[name=reason]", "nothing of ours calls it")
        page.click("#do-waive button")
        page.locator(".done", has_text="The waiver is in force").wait_for()
        page.goto(f"{farm.url}/builds/{popt['id']}")
        page.locator("#do-waive option", has_text=waived[-1]).wait_for(state="detached")
    assert "poptVendorExtension" in waived[0]
    kinds = [text.split()[0] for text in waived]
    assert kinds == ["export-removed", "elf-code"], "without the function, its code differs too"
    badge(page, "published")  # no build was needed; the next generation carries it
    assert "incompatible" not in page.locator("#head .badges").inner_text().lower()
    assert "waived" in page.locator("#comparison").inner_text()

    page.goto(f"{farm.url}/waivers")
    row = page.locator("#waivers tbody tr", has_text="nothing of ours calls it")
    assert "active" in row.first.inner_text()
    page.goto(f"{farm.url}/builds/{popt['id']}")
    page.evaluate("window.opened = 'once'")
    assert len(expire_days_later(farm, monkeypatch)) == len(waived)
    badge(page, "incompatible")
    badge(page, "refused")
    assert page.evaluate("window.opened") == "once"
    page.goto(f"{farm.url}/waivers?all=1")
    assert (
        "expired on"
        in page.locator("#waivers tbody tr", has_text="nothing of ours calls it").first.inner_text()
    )
    page.context.close()
    assert said == []


def expire_days_later(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """What the scheduler's sweep does about waivers, on this farm's store, when it is the day after
    tomorrow.
    """
    monkeypatch.setenv("BUILDFARM_HOME", str(farm.home))
    loaded = configuration.load(farm.home / "farm.yaml")
    store = SqlStore(loaded.farm.database_url, clock=lambda: utc_now() + timedelta(days=2))
    try:
        return waivers.expire(dataclasses.replace(bootstrap.hub_of(loaded), store=store))
    finally:
        store.dispose()


MAIN_PAGES = {
    "overview": "/", "needs": "/action-required", "drop": "/drops/{drop}",
    "build-compared": "/builds/{popt}", "build-failed": "/builds/{stubborn}",
    "target": "/targets/reef-9", "sources": "/sources", "lag": "/lag", "workers": "/workers", "waivers": "/waivers",
    "search": "/search?q=zlib", "triggers": "/triggers", "subscriptions": "/subscriptions", "log": "/builds/{stubborn}/log",
}  # fmt: skip
JUDGED_ELSEWHERE = ("needs", "sources", "lag", "workers")
"""Axe judges these in ``test_look.py``, with more on them than a farm finished has."""
PHONE, GUEST_HUB = {"width": 360, "height": 780}, {"width": 1280, "height": 900}


def test_the_main_pages_of_a_real_farm_fit_and_have_no_serious_accessibility_fault(
    browser: Any, line: Line
) -> None:
    farm, base_drop = line
    ids = {build["source"]: build["id"] for build in base_drop["builds"]} | {
        "drop": base_drop["id"]
    }
    page, said = open_page(browser, viewport=GUEST_HUB)
    for folder in ("line-desk", "line-phone"):
        shutil.rmtree(PICTURES / folder, ignore_errors=True)
    found: list[tuple[str, str, list[str]]] = []
    wide = []
    for name, path in MAIN_PAGES.items():
        page.set_viewport_size(GUEST_HUB)
        page.goto(farm.url + path.format(**ids))
        page.screenshot(path=str(PICTURES / "line-desk" / f"{name}.png"), full_page=True)
        page.set_viewport_size(PHONE)
        page.screenshot(path=str(PICTURES / "line-phone" / f"{name}.png"), full_page=True)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(name)
        if name not in JUDGED_ELSEWHERE:
            found += faults(page)
    page.context.close()
    assert found == []
    assert wide == []
    assert said == []

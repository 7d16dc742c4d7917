"""Hostile input: each gets a clear state and reason within its limits, and the farm goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.drive import DemoFailed, Farm
from tests.e2e.conftest import MakeHome, Signed
from tests.e2e.test_kill import until

pytestmark = [pytest.mark.world, pytest.mark.root, pytest.mark.timeout(600)]

LIMITS = {"seconds": 40, "memory_mib": 1024, "processes": 200, "disk_mib": 300, "log_mib": 8}
FILES = "%install\nmkdir -p %{buildroot}/usr/share/x\necho x > %{buildroot}/usr/share/x/%{name}\n%files\n/usr/share/x"
BODIES = {
    "forkbomb": "%build\nbomb() { bomb | bomb & }; bomb; sleep 60\n" + FILES,
    "chatter": "%build\nyes 'a line of a log that never ends' | head -c 5G\n" + FILES,
    "hoarder": "%build\ndd if=/dev/zero of=big bs=1M count=5120\n" + FILES,
    "caller": "%build\nexec 3<>/dev/tcp/127.0.0.1/{port}\n" + FILES,
    "burglar": "%build\necho owned > /usr/bin/owned\n" + FILES,
    "sleeper": "%build\nsleep 600\n" + FILES,
    "good": FILES,
}


@pytest.fixture(scope="module")
def farm(
    make_home: MakeHome, world: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Farm, Path]]:
    vendor = Signed(tmp_path_factory.mktemp("vendor") / "v")
    upstream = {
        "vendor": "Test",
        "keys": [str(vendor.public), str(world / "vendor" / "RPM-GPG-KEY-pnaelv")],
    }
    home = make_home(
        "hostile",
        target={"limits": LIMITS, "upstream": upstream, "gate": {"uncompared": True}, "rules": ""},
    )
    touched = home / "touched-by-a-spec"
    with Farm(home) as running:
        port = running.url.rpartition(":")[2]
        drops = home / "drops"
        for name, body in BODIES.items():
            preamble = "BuildArch: noarch" if name == "good" else ""
            vendor.srpm(name, body.replace("{port}", port), into=drops, preamble=preamble)
        vendor.srpm("toucher", FILES, into=drops, preamble=f"Group: x%(touch {touched})")
        touched.unlink(missing_ok=True)  # rpmbuild -bs of this very fixture evaluated the spec
        whole = vendor.srpm("truncated", FILES, into=home / "aside").read_bytes()
        (drops / "truncated-1-1.el9.src.rpm").write_bytes(whole[: len(whole) // 2])
        damaged = bytearray(vendor.srpm("damaged", FILES, into=home / "aside").read_bytes())
        damaged[-10] ^= 0xFF
        (drops / "damaged-1-1.el9.src.rpm").write_bytes(damaged)
        (drops / "letter-1-1.el9.src.rpm").write_text("Dear farm, this is no RPM.\n")
        yield running, home


@pytest.fixture(scope="module")
def builds(farm: tuple[Farm, Path]) -> dict[str, Any]:
    running, home = farm
    srpms = [{"path": str(path)} for path in sorted((home / "drops").glob("*.rpm"))]
    drop = running.post("/drops", {"target": "reef-9", "srpms": srpms})["id"]

    def rested() -> list[dict[str, Any]] | None:
        found = running.get(f"/drops/{drop}")
        moving = [
            b for b in found["builds"] if b["state"] not in ("published", "failed", "on_hold")
        ]
        return found["builds"] if found["state"] == "ingested" and not moving else None

    return {build["source"]: build for build in until(rested, seconds=400)}


@pytest.mark.parametrize(
    ("source", "state", "says"),
    [
        ("truncated", "on_hold", "truncated-1-1.el9.src.rpm"),
        ("damaged", "on_hold", "damaged-1-1.el9.src.rpm"),
        ("letter", "on_hold", "letter-1-1.el9.src.rpm"),
        ("forkbomb", "failed", "process"),
        ("chatter", "failed", "log limit"),
        ("hoarder", "failed", "disk"),
        ("caller", "failed", ""),
        ("burglar", "failed", ""),
        ("sleeper", "failed", "time"),
    ],
)
def test_each_gets_its_state_and_a_reason(
    builds: dict[str, Any], source: str, state: str, says: str
) -> None:
    build = builds[source]
    assert build["state"] == state
    assert build["why"]
    assert says.lower() in build["why"].lower()


def test_a_spec_that_runs_commands_while_it_is_read_reaches_nothing_of_the_hub(
    builds: dict[str, Any], farm: tuple[Farm, Path]
) -> None:
    assert builds["toucher"]["state"] == "published", builds["toucher"]["why"]
    assert not (farm[1] / "touched-by-a-spec").exists()


def test_the_farm_goes_on(builds: dict[str, Any]) -> None:
    assert builds["good"]["state"] == "published", builds["good"]["why"]


def test_a_link_of_the_chain_without_the_one_before_waits_and_names_what_is_missing(
    farm: tuple[Farm, Path], world: Path
) -> None:
    running, _ = farm
    srpm = next((world / "vendor" / "SRPMS").glob("libpng-*.src.rpm"))
    drop = running.post("/drops", {"target": "reef-9", "srpms": [{"path": str(srpm)}]})["id"]

    def settled() -> dict[str, Any] | None:
        builds = running.get(f"/drops/{drop}")["builds"]
        return (
            builds[0]
            if builds and builds[0]["state"] == "waiting" and builds[0]["wait_kind"] != "planning"
            else None
        )

    build = until(settled)
    assert build["wait_kind"] == "unresolvable"
    assert "zlib-devel" in build["why"]


def test_an_srpm_by_an_unknown_key_can_be_released_with_a_reason_and_not_without(
    farm: tuple[Farm, Path], world: Path, builds: dict[str, Any]
) -> None:
    running, _ = farm
    assert builds
    srpm = next((world / "vendor" / "SRPMS").glob("strayware-*.src.rpm"))
    drop = running.post("/drops", {"target": "reef-9", "srpms": [{"path": str(srpm)}]})["id"]
    held = until(
        lambda: [b for b in running.get(f"/drops/{drop}")["builds"] if b["state"] == "on_hold"]
    )[0]
    assert "does not trust" in held["why"]
    with pytest.raises(DemoFailed, match="reason"):
        running.post(f"/builds/{held['id']}/release-hold", {"reason": " "})
    running.post(f"/builds/{held['id']}/release-hold", {"reason": "we know them"})
    done = until(
        lambda: [
            b
            for b in running.get(f"/drops/{drop}")["builds"]
            if b["state"] in ("published", "failed")
        ]
    )[0]
    assert done["state"] == "published", done["why"]

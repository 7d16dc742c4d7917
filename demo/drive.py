"""Drive a farm from outside, as automation that reports an upstream drop: by processes and HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

_REST = {"published", "on_hold", "failed", "canceled", "excluded"}
_STUCK = {"unresolvable", "blocked", "cycle"}
_LIMIT_SECONDS = 4 * 3600.0
_POLL_SECONDS = 0.3
_GUEST_SECONDS = 4 * 3600
"""An emulated guest is ten times slower, and diffutils' configure alone takes a minute on a
host.
"""
GUEST = "reef-9"
"""The demo's guest definition."""

Json = dict[str, Any]


class DemoFailed(Exception):
    """The demo cannot continue; the message names the place to look at."""


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def make_world(world: Path, checkout: Path, *, machine: bool = False) -> None:
    """Make the seed and the vendor (and what a ``machine`` needs), once.

    :raises DemoFailed: the reason was printed.
    """
    argv = [
        sys.executable,
        "-m",
        "demo.world",
        "--out",
        str(world),
        *(["--machine"] if machine else []),
    ]
    done = subprocess.run(argv, cwd=checkout, check=False)
    if done.returncode != 0:
        raise DemoFailed("the vendor's world could not be made; the reason stands above")


def empty_home(home: Path) -> None:
    """Remove a demo's farm, but not its world.

    :raises DemoFailed: it is not a farm's home, or the farm is running.
    """
    there = [one for one in home.iterdir() if one.name != "world"] if home.exists() else []
    if there and not (home / "farm.yaml").is_file():
        raise DemoFailed(
            f"{home} has no farm.yaml: it is no farm's home, and nothing of it was removed"
        )
    with contextlib.suppress(httpx.HTTPError, FileNotFoundError):
        url = f"http://{yaml.safe_load((home / 'farm.yaml').read_text(encoding='utf-8'))['listen']}"
        httpx.get(f"{url}/healthz", trust_env=False)
        raise DemoFailed(f"a farm is up at {url}; end it, then begin anew")
    for one in there:
        shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()


def prepare_home(home: Path, checkout: Path, *, world: Path | None = None, guests: int = 0) -> None:
    """Put the demo's configuration beside its world; ``guests`` build instead of a worker, if
    given.
    """
    home.mkdir(parents=True, exist_ok=True)
    if world is not None and not (home / "world").exists():
        (home / "world").symlink_to(world)
    shutil.copytree(checkout / "configs" / "demo", home, dirs_exist_ok=True)
    if guests:
        file = home / "farm.yaml"
        farm = yaml.safe_load(file.read_text(encoding="utf-8"))
        farm |= {"local_workers": 0, "guests": {"image": GUEST, "slots": guests}}
        file.write_text(yaml.safe_dump(farm, sort_keys=False), encoding="utf-8")
        for place in (home / "targets").glob("*.yaml"):
            target = yaml.safe_load(place.read_text(encoding="utf-8"))
            target["limits"]["seconds"] = _GUEST_SECONDS
            place.write_text(yaml.safe_dump(target, sort_keys=False), encoding="utf-8")
    for name in ("debrand", "brand.yaml"):
        link = home / name
        link.unlink(missing_ok=True)
        link.symlink_to(checkout / "configs" / name)


class Farm:
    """``buildfarm serve`` as a child process, and its API."""

    def __init__(self, home: Path) -> None:
        self.home = home
        configuration = yaml.safe_load((home / "farm.yaml").read_text(encoding="utf-8"))
        self.url = f"http://{configuration['listen']}"
        self._has_workers = configuration["local_workers"] > 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Farm:
        say("starting the farm")
        env = {
            **os.environ,
            "BUILDFARM_HOME": str(self.home),
            "BUILDFARM_CONFIG": str(self.home / "farm.yaml"),
        }
        argv = [str(Path(sys.prefix) / "bin" / "buildfarm"), "serve"]
        with (self.home / "serve.log").open("wb") as log:
            self._process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_up(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                tail = (self.home / "serve.log").read_text(encoding="utf-8", errors="replace")[
                    -2000:
                ]
                raise DemoFailed(f"the farm did not start:\n{tail}")
            try:
                if httpx.get(f"{self.url}/api/v1/health", trust_env=False).is_success and (
                    not self._has_workers or self._workers()
                ):
                    return
            except httpx.HTTPError:
                pass
            time.sleep(_POLL_SECONDS)
        raise DemoFailed(f"no worker reported in 60 s; see {self.home / 'logs'}")

    def _workers(self) -> bool:
        found = self.get("/workers")["workers"]
        return any(worker["builder"] and worker["state"] == "ready" for worker in found)

    def stop(self) -> None:
        """End the farm and everything it started."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def build_image(self, name: str) -> str:
        """Make the image that the farm's guests boot; return its digest.

        :raises DemoFailed: it could not be made.
        """
        argv = [
            str(Path(sys.prefix) / "bin" / "buildfarm"),
            "guests",
            "--config",
            str(self.home / "host.yaml"),
        ]
        done = subprocess.run(
            [*argv, "image", "build", name], stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode != 0:
            raise DemoFailed(f"no image {name}; the reason stands above")
        return done.stdout.split()[1]

    def wait(self) -> None:
        """Wait until the farm is ended."""
        assert self._process is not None
        self._process.wait()

    def get(self, path: str, **query: str) -> Json:
        """Read the API."""
        answer = httpx.get(f"{self.url}/api/v1{path}", params=query, timeout=60, trust_env=False)
        answer.raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    def post(self, path: str, body: Json) -> Json:
        """Write to the API with the farm's first token."""
        token = (self.home / "secrets" / "admin.token").read_text(encoding="utf-8").strip()
        answer = httpx.post(
            f"{self.url}/api/v1{path}", json=body, timeout=300, trust_env=False,
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        if not answer.is_success:
            raise DemoFailed(f"POST {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()  # type: ignore[no-any-return]

    def run_drop(self, drop_file: Path) -> tuple[Json, float]:
        """POST the drop and watch it until it is finished; return the drop and the seconds it
        took.
        """
        body = json.loads(drop_file.read_text(encoding="utf-8"))
        started = time.monotonic()
        answer = self.post("/drops", body)
        came = (
            "received"
            if answer.get("created")
            else "went through here before (--fresh begins anew)"
        )
        say(f"drop {answer['id'][:12]} {came}: {self.url}")
        shown: dict[str, str] = {}
        while time.monotonic() - started < _LIMIT_SECONDS:
            drop = self.get(f"/drops/{answer['id']}")
            for build in drop["builds"]:
                self._show(build, shown, time.monotonic() - started)
            if drop["state"] != "received" and drop["builds"] and self._rests(drop):
                return drop, time.monotonic() - started
            time.sleep(_POLL_SECONDS)
        moving = [
            f"{b['nvr']} {b['state']} {b.get('why') or ''}" for b in drop["builds"] if not _rests(b)
        ]
        raise DemoFailed(f"still moving after {_LIMIT_SECONDS:.0f} s: {'; '.join(moving)}")

    @staticmethod
    def _show(build: Json, shown: dict[str, str], seconds: float) -> None:
        state = build["state"]
        if shown.get(build["id"]) != state:
            shown[build["id"]] = state
            if state in _REST or state in ("building", "compared", "refused"):
                print(
                    f"  {seconds:6.1f} s  {build['nvr']:<34} {state:<10} "
                    f"{build.get('verdict') or ''}",
                    file=sys.stderr,
                )

    def _rests(self, drop: Json) -> bool:
        if not all(_rests(build) for build in drop["builds"]):
            return False
        return not self.get("/tasks", active="1")["tasks"]


def _rests(build: Json) -> bool:
    state = build["state"]
    if state in ("compared", "refused"):
        return bool(build.get("gate") == "refused" and build.get("settled"))
    return state in _REST or (state == "waiting" and build.get("wait_kind") in _STUCK)

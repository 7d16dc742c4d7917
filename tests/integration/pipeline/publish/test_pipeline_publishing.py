"""Generations: written aside, sealed with a real key, switched once; read by dnf, gpg and rpm as a
user would.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.intake.rpm_verify import verify_many
from buildfarm.adapters.publish.repository_writer import RepositoryWriter
from buildfarm.adapters.publish.signing import Signer
from buildfarm.domain.build.gate import decide
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.nevra import split_filename
from buildfarm.domain.core.records import Comparison, Event
from buildfarm.domain.core.task import Task, TaskKind
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.domain.publish.repository import Artifact, Generation, GenerationState, TagHead
from buildfarm.domain.target.target import GatePolicy
from buildfarm.services.build import comparing
from buildfarm.services.build.comparing import CompareTools
from buildfarm.services.core import builds, tasks
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import publishing
from tests.fakes import Clock
from tests.integration.pipeline.conftest import MakeRpms, World

BUILD, DESTINATION = "reef-9-build", "reef-9"


def silent(stage: str) -> None:
    """A heart-beat nobody listens to."""


@dataclass
class Press:
    """The publisher of one farm: its writer, its signer, and builds to publish."""

    hub: Hub
    write: RepositoryWriter
    signer: Signer
    rpmbuild: MakeRpms

    def compared(
        self,
        name: str,
        verdict: Verdict,
        *what: str,
        scratch: bool = False,
        sign: bool = True,
        rpms: Sequence[Path] = (),
    ) -> str:
        """A build of real RPMs with this verdict, as the compare handler leaves it."""
        rpms = rpms or self.rpmbuild(name, *what)
        (srpm,) = (read for read in verify_many([rpms[0]], None) if not isinstance(read, Exception))
        decision = decide(verdict, policy=self.hub.target("reef-9").gate, scratch=scratch)
        with self.hub.store.begin() as tx:
            build = Build(
                id=tasks.new_id(), target="reef-9", drop_id="d", source=name, epoch=srpm.epoch, version=srpm.version,
                release=srpm.release, dist=".el9", srpm=self.hub.blobs.put_file(rpms[0]).sha256,
                srpm_filename=rpms[0].name, state=BuildState.COMPARED, state_since=tx.now, verdict=verdict.value,
                gate=decision.gate, gate_reason=decision.reason, scratch=scratch, owner="ann", arches=("x86_64",),
                created=tx.now,
            )  # fmt: skip
            tx.add(build)
            for path in rpms:
                blob = self.hub.blobs.put_file(path)
                named, version, release, arch = split_filename(path.name)
                tx.add(
                    Artifact(
                        id=tasks.new_id(), build=build.id, task="t", filename=path.name, name=named, epoch=0,
                        version=version, release=release, arch=arch, size=blob.size, sha256=blob.sha256,
                    )
                )  # fmt: skip
        if sign:
            publishing.sign(self.hub, self.signer, build.id)
        return build.id

    def stage(self) -> list[Generation]:
        """What is staged afterwards."""
        publishing.stage(self.hub, self.write, "reef-9", silent)
        return self.generations(GenerationState.STAGED)

    def seal(self) -> None:
        """Seal whatever a task asks for."""
        with self.hub.store.read() as tx:
            asked = tx.find(Task, kind=TaskKind.SEAL, order_by="created")
        for task in asked:
            publishing.seal(self.hub, self.signer, task.subject)

    def publish(self) -> None:
        self.stage()
        self.seal()

    def generations(self, *states: GenerationState) -> list[Generation]:
        with self.hub.store.read() as tx:
            return tx.find(Generation, order_by="tag,number", state=states)

    def carried(self, tag: str) -> set[str]:
        """The builds of the generation in force."""
        with self.hub.store.read() as tx:
            head = publishing.head(tx, tag)
        return set(head.builds) if head else set()

    def build(self, identity: str) -> Build:
        with self.hub.store.read() as tx:
            return tx.get(Build, identity)

    def repository(self, tag: str, name: str = "x86_64") -> Path:
        return self.hub.repos / tag / "current" / name

    def published(self, tag: str) -> set[str]:
        """File names in the generation in force."""
        return {
            path.name
            for path in (self.hub.repos / tag / "current").resolve().glob("*/Packages/*/*.rpm")
        }


@pytest.fixture
def press(world: World, signer: Signer, tmp_path: Path) -> Press:
    return Press(
        world.hub,
        RepositoryWriter(tmp_path / "cache", world.hub.repos / ".pool"),
        signer,
        world.rpmbuild,
    )


def test_each_verdict_goes_to_the_tags_that_take_it(press: Press):
    verdicts = {
        verdict: press.compared(f"p-{verdict.value.lower()}", verdict)
        for verdict in Verdict
    }  # fmt: skip
    scratch = press.compared("scratch", Verdict.IDENTICAL, scratch=True)
    press.publish()
    good = {Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.EXPECTED, Verdict.COMPATIBLE}
    taken = good | {Verdict.REVIEW, Verdict.EXTRA, Verdict.UNCOMPARED}
    assert press.carried(DESTINATION) == {verdicts[verdict] for verdict in good}
    assert press.carried(BUILD) == {verdicts[verdict] for verdict in taken}
    for verdict, identity in verdicts.items():
        build = press.build(identity)
        tags = {tag for tag, wanted in ((BUILD, taken), (DESTINATION, good)) if verdict in wanted}
        assert set(build.tags) == tags
        assert build.state is (BuildState.PUBLISHED if verdict in good else BuildState.COMPARED)
    assert press.build(scratch).tags == ()
    assert {"p-extra-1.0-1.el9.noarch.rpm", "p-extra-1.0-1.el9.src.rpm"} <= press.published(BUILD)
    assert not {
        name for name in press.published(DESTINATION) if "extra" in name or "scratch" in name
    }


def test_a_build_whose_rpms_are_not_all_signed_is_not_published(press: Press):
    identity = press.compared("zlib", Verdict.IDENTICAL, sign=False)
    press.publish()
    assert press.generations(*GenerationState) == []
    publishing.sign(press.hub, press.signer, identity)
    press.publish()
    assert press.carried(DESTINATION) == {identity}


def test_the_highest_evr_of_a_source_is_carried_and_the_one_before_loses_its_tags(press: Press):
    new = press.compared("zlib", Verdict.IDENTICAL, "1.10")
    old = press.compared("zlib", Verdict.IDENTICAL, "1.9")
    press.publish()
    assert press.published(DESTINATION) == {"zlib-1.10-1.el9.noarch.rpm", "zlib-1.10-1.el9.src.rpm"}
    newest = press.compared("zlib", Verdict.IDENTICAL, "1.10", "2.el9")
    press.publish()
    assert press.carried(BUILD) == press.carried(DESTINATION) == {newest}
    assert [press.build(identity).tags for identity in (old, new, newest)] == [
        (),
        (),
        (DESTINATION, BUILD),
    ]
    assert len(list((press.hub.repos / DESTINATION / "1").glob("*/Packages/*/*.rpm"))) == 2


def test_a_generations_digest_is_its_files_and_not_the_time_or_the_order(
    press: Press, clock: Clock, tmp_path: Path
):
    press.compared("zlib", Verdict.IDENTICAL)
    press.compared("expat", Verdict.IDENTICAL)
    twin_home = tmp_path / "twin"
    subprocess.run(["cp", "-a", press.hub.config.farm.home_path, twin_home], check=True)
    farm = replace(press.hub.config.farm, home=str(twin_home))
    clock.pass_seconds(86_400)
    store = SqlStore(farm.database_url, clock=clock)
    hub = replace(
        press.hub, config=replace(press.hub.config, farm=farm), store=store, blobs=Blobs(twin_home / "blobs"),
        scratch=twin_home / "scratch",
    )  # fmt: skip
    twin = Press(
        hub,
        RepositoryWriter(tmp_path / "another-cache", hub.repos / ".pool"),
        press.signer,
        press.rpmbuild,
    )
    clock.pass_seconds(-86_400)
    press.publish()
    clock.pass_seconds(86_400)
    twin.publish()
    ours, theirs = press.generations(GenerationState.READY), twin.generations(GenerationState.READY)
    store.dispose()
    assert [g.digest for g in ours] == [g.digest for g in theirs]
    assert ours[0].created != theirs[0].created
    for name in ("x86_64", "x86_64-debug", "source"):
        mine, other = (
            p.repository(DESTINATION, name) / "repodata/repomd.xml" for p in (press, twin)
        )
        assert mine.read_bytes() == other.read_bytes()
    files = sorted(
        (press.hub.repos / DESTINATION / "1").glob("*/Packages/*/*.rpm"), key=lambda path: path.name
    )
    said = subprocess.run(["sha256sum", *files], capture_output=True, text=True, check=True).stdout
    lines = sorted((Path(line[66:]).name, line[:64]) for line in said.splitlines())
    text = "".join(f"{digest}  {name}\n" for name, digest in lines)
    assert ours[0].digest == hashlib.sha256(text.encode()).hexdigest()


def test_staging_and_sealing_twice_publishes_once(press: Press):
    press.compared("zlib", Verdict.IDENTICAL)
    for _ in range(2):
        press.publish()
    press.seal()
    ready = press.generations(*GenerationState)
    assert [(g.tag, g.number, g.state) for g in ready] == [
        (DESTINATION, 1, GenerationState.READY), (BUILD, 1, GenerationState.READY),
    ]  # fmt: skip
    with press.hub.store.read() as tx:
        assert tx.count(Event, kind="generation.ready") == 2
        assert tx.count(Event, kind="build.published") == 1
        assert tx.count(Task, kind=TaskKind.SEAL) == 2
        assert not publishing.needs_publishing(tx, press.hub.target("reef-9"), {})


def test_a_crash_between_stage_and_seal_ends_with_one_ready_generation(press: Press):
    press.compared("zlib", Verdict.IDENTICAL)
    first = press.stage()
    assert press.stage() == first
    assert not (press.hub.repos / DESTINATION / "current").exists()
    press.seal()
    assert [(g.tag, g.number) for g in press.generations(GenerationState.READY)] == [
        (DESTINATION, 1),
        (BUILD, 1),
    ]
    assert press.generations(GenerationState.STAGED, GenerationState.BROKEN) == []


def test_a_crash_while_writing_leaves_nothing_that_the_next_stage_trips_over(press: Press):
    press.compared("zlib", Verdict.IDENTICAL)
    for left in (f"{BUILD}/.1.new/x86_64/repodata", f"{BUILD}/1/x86_64", f"{DESTINATION}/.1.new"):
        (press.hub.repos / left).mkdir(parents=True)
        (press.hub.repos / left / "rubbish").write_text("x")
    press.publish()
    assert press.carried(BUILD) == press.carried(DESTINATION) != set()
    assert not list(press.hub.repos.rglob("rubbish"))
    assert not list(press.hub.repos.rglob(".*.new"))


class DiesAtSecond:
    """The real signer, killed before its second repomd.xml."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.signed = 0

    def sign_rpms(self, paths: Sequence[Path]) -> None:
        self.signer.sign_rpms(paths)

    def export(self) -> bytes:
        return self.signer.export()

    def sign_repomd(self, repomd: Path) -> None:
        if self.signed:
            raise KeyboardInterrupt
        self.signed += 1
        self.signer.sign_repomd(repomd)


def test_a_signer_that_dies_half_way_switches_nothing_and_the_next_one_finishes(press: Press):
    press.compared("zlib", Verdict.IDENTICAL)
    for generation in press.stage():
        with pytest.raises(KeyboardInterrupt):
            publishing.seal(press.hub, DiesAtSecond(press.signer), generation.id)
    with press.hub.store.read() as tx:
        assert (tx.count(TagHead), tx.count(Generation, state=GenerationState.STAGED)) == (0, 2)
    press.publish()
    assert [g.state for g in press.generations(*GenerationState)] == [GenerationState.READY] * 2
    for repomd in press.hub.repos.glob("*/1/*/repodata/repomd.xml"):
        press.signer.verify(repomd)


def test_a_staged_generation_that_is_out_of_date_is_discarded_and_its_seal_does_nothing(
    press: Press,
):
    press.compared("zlib", Verdict.IDENTICAL)
    old = press.stage()
    press.compared("expat", Verdict.IDENTICAL)
    new = press.stage()
    assert [(g.tag, g.number) for g in new] == [(DESTINATION, 2), (BUILD, 2)]
    for generation in old:
        publishing.seal(press.hub, press.signer, generation.id)
    assert press.carried(DESTINATION) == set()
    press.seal()
    assert press.carried(DESTINATION) == set(new[0].builds)
    assert [g.number for g in press.generations(GenerationState.BROKEN)] == [1, 1]
    assert (press.hub.repos / DESTINATION / "current").readlink() == Path("2")


def test_a_staged_generation_whose_files_are_gone_is_discarded_and_written_again(press: Press):
    press.compared("zlib", Verdict.IDENTICAL)
    for generation in press.stage():
        shutil.rmtree(press.hub.repos / generation.tag / str(generation.number))
        publishing.seal(press.hub, press.signer, generation.id)
    assert press.carried(DESTINATION) == set()
    press.publish()
    assert press.published(DESTINATION)
    assert {g.number for g in press.generations(GenerationState.READY)} == {2}


@pytest.mark.parametrize("left", ["nothing", "the old one", "a dangling one"])
def test_the_current_links_are_put_right_by_what_the_database_says(press: Press, left: str):
    press.compared("zlib", Verdict.IDENTICAL)
    press.publish()
    press.compared("expat", Verdict.IDENTICAL)
    press.publish()
    link = press.hub.repos / DESTINATION / "current"
    link.unlink()
    if left != "nothing":
        link.symlink_to("1" if left == "the old one" else "7")
    for _ in range(2):
        publishing.repair_current_links(press.hub)
        assert link.readlink() == Path("2")
    assert sorted(path.name for path in link.parent.iterdir()) == ["1", "2", "current"]


def test_a_published_build_that_is_compared_again_is_published_again(press: Press):
    """It came in without vendor binaries, and its target let it pass."""
    target = replace(press.hub.target("reef-9"), gate=GatePolicy(uncompared=True))
    press.hub.config.targets["reef-9"] = target
    identity = press.compared("zlib", Verdict.UNCOMPARED)
    press.publish()
    assert press.build(identity).state is BuildState.PUBLISHED
    binary = press.rpmbuild("zlib")[1]
    with press.hub.store.begin() as tx:
        tx.add(
            VendorRpm(
                id="v", target="reef-9", sha256=press.hub.blobs.put_file(binary).sha256, filename=binary.name,
                name="zlib", arch="noarch", source="zlib", sourcerpm="zlib-1.0-1.el9.src.rpm",
            )
        )  # fmt: skip
        builds.move(
            tx,
            tx.get(Build, identity),
            BuildState.BUILT,
            actor="ingest",
            why="vendor binaries arrived",
        )
        assert not publishing.needs_publishing(tx, target, {})
    tools = CompareTools(reader=SandboxedReader(), scan=lambda *_: [], brand_policy=lambda _: None)
    comparing.compare(press.hub, tools, identity, silent)
    build = press.build(identity)
    assert (build.verdict, build.state, set(build.tags)) == (
        "IDENTICAL",
        BuildState.PUBLISHED,
        {BUILD, DESTINATION},
    )
    with press.hub.store.read() as tx:
        assert tx.count(Comparison, build=identity) == 1
    press.publish()
    assert len(press.generations(*GenerationState)) == 2


class UserDnf:
    """A user's dnf with one repository of ours, all checks on, and nothing of this machine's.

    In a process namespace of its own, for librepo leaves a gpg-agent behind.
    """

    def __init__(self, home: Path, press: Press, link: str = "current") -> None:
        home.mkdir()
        self.home = home
        main = {
            "reposdir": "/nonexistent",
            "pluginpath": "/nonexistent",
            "cachedir": home / "cache",
            "logdir": home,
        }
        repo = {
            "name": "Reef 9", "baseurl": f"file://{press.hub.repos / DESTINATION / link / 'x86_64'}", "gpgcheck": 1, "repo_gpgcheck": 1,
            "gpgkey": f"file://{press.hub.repos / publishing.KEY_FILE}",
        }  # fmt: skip
        lines = [
            "[main]",
            *(f"{k}={v}" for k, v in main.items()),
            "[reef]",
            *(f"{k}={v}" for k, v in repo.items()),
        ]
        (home / "dnf.conf").write_text("\n".join(lines) + "\n")

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        alone = [
            "bwrap",
            "--dev-bind",
            "/",
            "/",
            "--unshare-pid",
            "--proc",
            "/proc",
            "--die-with-parent",
            "--",
        ]
        argv = [
            *alone,
            "dnf",
            "-q",
            "-y",
            f"--config={self.home / 'dnf.conf'}",
            f"--installroot={self.home / 'root'}",
        ]
        argv += ["--releasever=9", "--forcearch=x86_64", "--setopt=persistdir=/persist"]
        return subprocess.run([*argv, *words], capture_output=True, text=True, check=False)


def test_a_users_dnf_reads_the_sealed_repository_with_all_checks_on(press: Press, tmp_path: Path):
    press.compared("zlib", Verdict.IDENTICAL)
    press.compared("expat", Verdict.REVIEW)
    press.publish()
    dnf = UserDnf(tmp_path / "user", press)
    done = dnf("repoquery", "--qf=%{name} %{evr} %{arch}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["zlib", "1.0-1.el9", "noarch"]
    ring = ["rpmkeys", "--dbpath", tmp_path / "rpmdb"]
    subprocess.run([*ring, "--import", press.hub.repos / publishing.KEY_FILE], check=True)
    files = sorted((press.hub.repos / DESTINATION / "current").resolve().glob("*/Packages/*/*.rpm"))
    said = subprocess.run([*ring, "-Kv", *files], capture_output=True, text=True, check=True).stdout
    signatures = {line.strip() for line in said.splitlines() if "key ID" in line}
    assert {line.rpartition("key ID ")[2] for line in signatures} == {
        f"{press.signer.fingerprint()[-8:].lower()}: OK"
    }
    assert said.count("key ID") >= len(files) == 2


def test_a_users_dnf_refuses_a_repository_that_was_changed_after_the_seal(
    press: Press, tmp_path: Path
):
    press.compared("zlib", Verdict.IDENTICAL)
    press.publish()
    repomd = press.repository(DESTINATION) / "repodata/repomd.xml"
    repomd.write_text(repomd.read_text().replace("<revision>", "<revision>0"))
    assert UserDnf(tmp_path / "user", press)("repoquery").returncode != 0

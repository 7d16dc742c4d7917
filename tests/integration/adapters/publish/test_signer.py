"""The signer against rpmkeys and gpg, each with our public key and no other."""

import shutil
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildfarm.adapters.publish.signing import Signer
from buildfarm.errors import ConfigError, InputError
from tests.integration.adapters.conftest import RpmMaker, spec
from tests.waiting import until


@pytest.fixture
def copies(make_rpms: RpmMaker, tmp_path: Path) -> list[Path]:
    """Three files to sign: an SRPM and RPMs."""
    made = [*make_rpms(spec("one")), make_rpms(spec("two"))[1]]
    return [Path(shutil.copy(path, tmp_path)) for path in made]


@pytest.fixture
def repomd(tmp_path: Path) -> Path:
    file = tmp_path / "repomd.xml"
    file.write_text("<repomd/>")
    return file


def checksig(path: Path, key: Path, ring: Path) -> str:
    ring.mkdir(exist_ok=True)
    shutil.copy(key, ring / "only.key")
    argv = ["rpmkeys", "--define", "_keyring fs", "--define", f"_keyringpath {ring}", "-Kv", path]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def agents() -> set[str]:
    """Ids of the signers' gpg-agents that live (a zombie has no arguments any more)."""
    done = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return {pid for pid, argv in lines if argv.startswith("gpg-agent --homedir /tmp/gpg-")}


def wait_until_gone(before: set[str]) -> None:
    until(lambda: not agents() - before, "every agent is gone", seconds=5)


def test_rpms_are_signed_in_one_call_and_rpmkeys_believes_it(
    signer: Signer, public_key: Path, other_key: Path, copies: list[Path], tmp_path: Path
):
    signer.sign_rpms(copies)
    for path in copies:
        said = checksig(path, public_key, tmp_path / "ring")
        assert "RSA/SHA256 Signature" in said
        assert "NOKEY" not in said
        assert "BAD" not in said
    assert "NOKEY" in checksig(copies[0], other_key, tmp_path / "ring")


def test_signing_again_replaces_the_signature(signer: Signer, copies: list[Path]):
    signer.sign_rpms(copies[:1])
    size = copies[0].stat().st_size
    signer.sign_rpms(copies[:1])
    assert copies[0].stat().st_size == size


def test_signing_leaves_header_and_payload_as_they_were(signer: Signer, copies: list[Path]):
    def digest(path: Path) -> str:
        what = "%{sha256header} %{payloaddigest}"
        argv = ["rpm", "-qp", "--nosignature", f"--qf={what}", path]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    before = digest(copies[1])
    signer.sign_rpms(copies)
    assert digest(copies[1]) == before


def test_nothing_to_sign_is_no_error(signer: Signer):
    signer.sign_rpms([])


def test_what_is_no_rpm_cannot_be_signed(signer: Signer, tmp_path: Path):
    text = tmp_path / "text.rpm"
    text.write_text("text")
    with pytest.raises(InputError, match=r"text\.rpm"):
        signer.sign_rpms([text])


def test_repomd_gets_a_detached_signature_that_gpg_believes(
    signer: Signer, public_key: Path, repomd: Path, tmp_path: Path
):
    signer.sign_repomd(repomd)
    signature = repomd.with_name("repomd.xml.asc")
    assert signature.read_text().startswith("-----BEGIN PGP SIGNATURE-----")
    signer.verify(repomd)
    keyring = tmp_path / "keyring.gpg"
    subprocess.run(["gpg", "--dearmor", "-o", keyring, public_key], check=True, capture_output=True)
    subprocess.run(
        ["gpgv", "--keyring", keyring, signature, repomd], check=True, capture_output=True
    )
    assert sorted(path.name for path in tmp_path.glob("*repomd*")) == [
        "repomd.xml",
        "repomd.xml.asc",
    ]


def test_a_changed_repomd_or_no_signature_is_refused(signer: Signer, repomd: Path):
    with pytest.raises(InputError, match="does not fit"):
        signer.verify(repomd)
    signer.sign_repomd(repomd)
    repomd.write_text("<other/>")
    with pytest.raises(InputError, match="does not fit"):
        signer.verify(repomd)


def test_the_key_is_made_once_in_a_folder_nobody_else_may_read_however_long_its_path(
    tmp_path: Path, repomd: Path
):
    home = tmp_path / ("long" * 40) / "gnupg"
    fingerprint = Signer(home, name="A B", email="a@example.org").ensure_key()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    again = Signer(home, name="A B", email="a@example.org")
    assert again.ensure_key() == fingerprint == again.fingerprint()
    listed = subprocess.run(
        ["gpg", "--show-keys", "--with-colons"],
        input=again.export(),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert "A B <a@example.org>" in listed
    assert listed.startswith(("pub:-:3072:1:", "pub:u:3072:1:"))
    again.sign_repomd(repomd)
    again.verify(repomd)


def test_without_a_key_nothing_is_signed(tmp_path: Path, repomd: Path):
    with pytest.raises(ConfigError, match="no signing key"):
        Signer(tmp_path / "none", name="A", email="a@example.org").sign_repomd(repomd)


def test_no_agent_is_left_running(signer: Signer, copies: list[Path], repomd: Path):
    before = agents()
    signer.sign_rpms(copies)
    signer.sign_repomd(repomd)
    wait_until_gone(before)


def test_a_killed_signer_leaves_no_agent_and_the_next_one_goes_on(
    signer: Signer, repomd: Path, tmp_path: Path
):
    program = (
        "import sys; from pathlib import Path; from buildfarm.adapters.publish.signing import Signer\n"
        "s = Signer(Path(sys.argv[1]), name='Test Signer', email='signer@example.org'); s.fingerprint()\n"
        "while True: print('go', flush=True); s.sign_repomd(Path(sys.argv[2]))"
    )
    other = tmp_path / "other.xml"
    other.write_text("<other/>")
    before = agents()
    argv = [sys.executable, "-c", program, str(signer._home), str(other)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for _ in range(3):  # two signatures are done, it is at the third
            while b"go" not in process.stdout.readline():
                pass
        process.send_signal(signal.SIGKILL)
    wait_until_gone(before)
    signer.sign_repomd(repomd)
    signer.verify(repomd)


def test_a_lock_of_a_dead_gpg_does_not_hold_the_next_one_up(signer: Signer, repomd: Path):
    (signer._home / "pubring.kbx.lock").write_text("         2\nnowhere\n")
    signer.sign_repomd(repomd)
    signer.verify(repomd)


def test_two_signers_take_turns(signer: Signer, tmp_path: Path):
    files = [tmp_path / f"{number}.xml" for number in range(4)]
    for file in files:
        file.write_text(file.name)
    twin = Signer(signer._home, name="Test Signer", email="signer@example.org")
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda pair: pair[0].sign_repomd(pair[1]),
                zip([signer, twin] * 2, files, strict=True),
            )
        )
    for file in files:
        signer.verify(file)

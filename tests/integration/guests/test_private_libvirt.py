"""Where a farm's own libvirt lives: a machine's socket must have a name that fits."""

from pathlib import Path

import pytest

from buildfarm.adapters.system.private_libvirt import PrivateLibvirt, folder_for
from buildfarm.errors import ConfigError


def test_a_folder_whose_sockets_would_have_names_too_long_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("x" * 60) / "libvirt"
    with pytest.raises(ConfigError, match="too long by") as refused:
        PrivateLibvirt(folder=folder, user="root").prepare()
    assert "`folder` of `guests`" in refused.value.hint
    assert not folder.exists()


def test_a_home_with_a_long_name_gets_a_short_place_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 60)
    home.mkdir()
    found = folder_for(home, "12345678")
    assert found == Path("/var/tmp/buildfarm-12345678")
    millionth = (
        found
        / "libvirt"
        / "etc"
        / "libvirt/qemu/lib/domain-1000000-12345678901234567890/monitor.sock"
    )
    assert len(bytes(millionth)) < 108

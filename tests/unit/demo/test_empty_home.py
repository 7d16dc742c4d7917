"""``./farm demo --fresh`` forgets an earlier demo, and nothing else."""

from pathlib import Path

import pytest

from demo.drive import DemoFailed, empty_home


def test_the_farm_goes_and_the_world_and_what_is_linked_to_stay(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "debrand"
    for folder in (home / "world" / "seed", home / "repos", elsewhere):
        folder.mkdir(parents=True)
    (home / "farm.yaml").write_text("listen: 127.0.0.1:1\n")
    (home / "buildfarm.db").touch()
    (elsewhere / "rule.yaml").touch()
    (home / "debrand").symlink_to(elsewhere)
    empty_home(home)
    empty_home(home)  # a world alone is as fresh as can be
    assert [path.name for path in home.iterdir()] == ["world"]
    assert (home / "world" / "seed").is_dir()
    assert (elsewhere / "rule.yaml").is_file()


def test_what_is_no_farms_home_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(DemoFailed, match="no farm's home"):
        empty_home(tmp_path)
    assert (tmp_path / "letters").is_dir()
    empty_home(tmp_path / "not there")

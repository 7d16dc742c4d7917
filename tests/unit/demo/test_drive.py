"""The demo does not take another program's answers for its own farm's."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from demo.drive import DemoFailed, Farm


def test_a_port_that_is_taken_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (tmp_path / "farm.yaml").write_text(f"listen: 127.0.0.1:{port}\nlocal_workers: 0\n")
        with pytest.raises(DemoFailed, match=f"127.0.0.1:{port} is taken"), Farm(tmp_path):
            pass
    assert not (tmp_path / "serve.log").exists()

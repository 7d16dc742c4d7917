"""Load the system's rpm bindings from the folders of the system's Python.

PyPI's ``rpm`` is a shim that starts each interpreter of the machine to ask for its folders: 0.1 s
in every sandbox. The environment is made from the system's own Python, so its folders are known;
elsewhere the shim finds them.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType


def _load() -> ModuleType:
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    for folder in (
        base / "lib/python3/dist-packages",
        base / "lib64" / python / "site-packages",
        base / "lib" / python / "site-packages",
    ):
        if (folder / "rpm" / "__init__.py").is_file():
            sys.path.insert(0, str(folder))
            try:
                return importlib.import_module("rpm")
            except ImportError:  # of another interpreter
                break
            finally:
                sys.path.remove(str(folder))
    return importlib.import_module("rpm")


rpm = _load()

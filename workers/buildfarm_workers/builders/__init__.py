"""Builders: one port with two implementations (:mod:`.chroot` and :mod:`.mock`).

Both leave the same resultdir: ``build.log root.log state.log installed_pkgs.log *.rpm``.
``build.log`` grows while the build runs, so that it can be followed.
"""

from __future__ import annotations

from buildfarm_workers.builders.port import Builder, BuildFailed, Outcome, Stopped

__all__ = ["BuildFailed", "Builder", "Outcome", "Stopped"]

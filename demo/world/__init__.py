"""The demo's outside world: a seed repository and a vendor, made from the host distribution's own
packages.

Nothing here imports ``buildfarm``: the vendor's binaries are built by plain rpmbuild, so that
equality is earned.
"""

"""The demo's outside world: a seed repository and a vendor, made from the host's packages.

Nothing here imports ``buildfarm``: the vendor's binaries are built by plain rpmbuild, so that equal
results prove something.
"""

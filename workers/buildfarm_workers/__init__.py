"""The build farm's worker: claims a task, builds it in a fresh buildroot, reports over HTTP.

It knows the wire models and the domain's words; it never sees the hub's database, its keys or its
code.
"""

__version__ = "0.1.0"

"""The build farm's worker: claims a task, builds it in a new buildroot, reports over HTTP.

It knows the wire messages and the domain; it has no access to the hub's database, keys or code.
"""

__version__ = "0.1.0"

"""Facts of RPM files, read in the sandbox.

``reader`` runs inside the sandbox (``python -m``) and answers for headers, contents and pairs of
files. ``sandboxed_reader`` is its client outside, which the rest of the farm uses; it keeps a
sandbox through ``reader_process``. For its first answer, the program inside imports only rpm, the
standard library and :mod:`buildfarm.domain`, so that it starts fast.
"""

"""Facts of RPM files, read in the sandbox.

``headers`` and ``contents`` are the two readers that run inside (``python -m``); ``sandboxed`` runs them from outside
and is what the rest of the farm uses. What runs inside imports nothing but rpm, the standard library and
:mod:`buildfarm.domain`, so that it starts fast.
"""

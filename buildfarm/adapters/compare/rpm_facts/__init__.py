"""Facts of RPM files, read in the sandbox.

``reader`` is what runs inside (``python -m``) and answers for headers, contents and pairs of files;
``sandboxed`` asks it from outside and is what the rest of the farm uses, over ``process`` where a
sandbox stays. What runs inside imports nothing but rpm, the standard library and
:mod:`buildfarm.domain` for its first answer, so that it starts fast.
"""

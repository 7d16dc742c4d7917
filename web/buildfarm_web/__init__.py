"""The page, its JSON representation ``/api/v1``, the worker API ``/worker/v1`` and the repositories.

Everything said here is read from the store by :mod:`buildfarm_web.read_models`; everything done
goes through :mod:`buildfarm.services`.
"""

"""What ``/api/v1`` answers, as types: the OpenAPI document is made of them, and
:mod:`buildfarm.client` gives them.

The JSON itself is made by ``buildfarm_web.read_models``; a test holds every real answer against
these models, so a new field of a read model is one line here. Split by concept, one module each;
the base is :mod:`buildfarm.api.responses.core.base`.
"""

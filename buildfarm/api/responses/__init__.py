"""The answers of ``/api/v1`` as types, each declared once.

Read models return them, templates show them, the OpenAPI document is made of them and
:mod:`buildfarm.client` parses them. One module for each concept; the base is
:mod:`buildfarm.api.responses.core.base`.
"""

"""``/api/v1`` as OpenAPI 3.1 describes it: operations by endpoint, the document made of them, and
requests held against it.
"""

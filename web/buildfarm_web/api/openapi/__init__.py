"""``/api/v1`` as OpenAPI 3.1 describes it: operations beside their views, the document made of
them, and requests held against it.
"""

"""One kind of edit a module."""

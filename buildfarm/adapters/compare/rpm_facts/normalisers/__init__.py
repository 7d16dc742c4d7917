"""Normal forms of kinds of files, and containers."""

"""The edge: one outside thing each (a tool, a library, the disk, the database)."""

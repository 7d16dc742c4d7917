"""A self-hosting RPM build farm: ingest, debrand, plan, build, compare, publish."""

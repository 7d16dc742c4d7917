"""Use cases: gather what is needed, let the domain decide, carry the answer out through ports."""

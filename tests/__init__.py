"""The tests; ``python -m tests`` is what ``./farm test`` runs."""

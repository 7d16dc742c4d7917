"""Benchmarks: each measures the farm and a peer in the same run, and prints a table.

None fails because of a time.
"""

"""Benchmarks: each measures the farm beside a peer in the same run, and prints a table.

None has a time limit to pass.
"""

"""Processes, sandbox, supervisor, hypervisor: all that workers may import."""

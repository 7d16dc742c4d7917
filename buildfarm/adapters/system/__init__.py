"""Processes, sandbox, supervisor, hypervisor: the adapters that workers may import."""

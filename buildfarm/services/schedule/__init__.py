"""The scheduler, planning and the task handlers."""

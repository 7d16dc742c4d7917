"""The life of builds and tasks, leases, the leader."""

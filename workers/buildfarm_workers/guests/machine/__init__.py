"""One guest from its identity to its end, and the pool of a KVM host."""

"""The life of a guest, and the pool of a KVM host."""

"""The chroot builder's buildroot: base cache, overlay, sandboxes, limits."""

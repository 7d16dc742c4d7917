"""``/worker/v1``: what builders and KVM hosts ask."""

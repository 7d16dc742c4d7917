"""The demo: a vendor's world made offline, and the farm driven over it as by a user."""

"""Commands that call the hub's API."""

"""Mail, webhooks and the Redis stream."""

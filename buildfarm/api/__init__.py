"""The API's messages: request bodies and responses."""

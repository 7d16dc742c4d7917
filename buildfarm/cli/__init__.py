"""The ``buildfarm`` command: thin; what it does lives in services and behind the API."""

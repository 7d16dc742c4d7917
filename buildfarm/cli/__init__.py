"""The ``buildfarm`` command: a thin layer over services and the API."""

"""Adapters that read SRPMs, dist-git, folders and remote repositories."""

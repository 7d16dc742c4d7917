"""What reads SRPMs, dist-git, folders and remote repositories."""

"""Words for terminals, mails and CI."""

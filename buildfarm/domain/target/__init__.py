"""What to build for: targets, their triggers, SIGs and allowed URLs."""

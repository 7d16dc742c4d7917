"""Targets, their triggers, SIGs and allowed URLs."""

"""Debranding: a rule's actions applied to the unpacked sources as text, exactly or not at all."""

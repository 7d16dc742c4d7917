"""The hub's side of a build: order, report, debranding, comparison, judgement, waivers."""

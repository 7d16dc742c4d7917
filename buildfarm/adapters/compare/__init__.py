"""Adapters that read RPMs for a comparison, and render its report."""

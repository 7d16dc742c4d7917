"""The plan, the graph behind it, fair shares, dispatch and forecast."""

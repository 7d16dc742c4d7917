"""What is known of an RPM and its files before it is judged."""

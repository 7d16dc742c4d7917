"""Rule files, brand scan and SRPM trees."""

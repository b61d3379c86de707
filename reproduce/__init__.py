"""Every figure and table again, and the report: `python reproduce`."""

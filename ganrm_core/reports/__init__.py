"""Charts, contact sheets, HTML and image reports, and their translations; no model code."""

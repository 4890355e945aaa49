"""The parts of tools/demo.py: what it does (plan), and the page at the end (page, pictures)."""

"""The parts of tools/demo.py: what it does (plan), how (step, running), and the page at the end (page, pictures)."""

"""The parts of tools/demo.py: what it does (plan), how (step, scheduler, display), and the page at the end (report)."""

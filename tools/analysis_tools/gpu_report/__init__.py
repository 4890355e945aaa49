"""Parts of tools/analysis_tools/gpu_report.py: what is measured, by whom, and how it is told."""

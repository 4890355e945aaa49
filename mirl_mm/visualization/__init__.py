"""Pictures of what a model learnt. Importing this loads nothing heavy; take what you need from the modules."""

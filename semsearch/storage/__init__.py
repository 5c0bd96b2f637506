"""Keep an index on disk: its folder, lock, Library and vector engine."""

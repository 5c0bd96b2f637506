"""More than one machine: near-duplicates and leaks of data sets by Ray."""

"""Group texts by meaning: communities of the graph of nearest neighbours, with names and their stability."""

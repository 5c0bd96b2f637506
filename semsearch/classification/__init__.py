"""Label texts by examples: a classifier on embeddings, rules that a person writes, and what is like no example."""

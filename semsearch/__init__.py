"""semsearch: semantic search and near-duplicate detection over your own text."""

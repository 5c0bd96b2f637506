"""Search an index: parse a query, rank passages by meaning and words, collapse near-copies."""

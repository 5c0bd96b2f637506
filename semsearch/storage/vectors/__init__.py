"""Keep the vector engine a copy of the Library."""

"""Serve an index to other programs: `mcp` to assistants that speak the Model Context Protocol."""

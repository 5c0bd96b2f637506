"""Adapters to other libraries, each a module that imports its library: none is loaded unless it is asked for."""

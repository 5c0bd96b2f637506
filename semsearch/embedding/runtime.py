"""Import ONNX Runtime, which sends nothing from here."""

import os

# From 1.29 on, onnxruntime contacts its maker's server when a model is loaded. This must be set before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["onnxruntime"]

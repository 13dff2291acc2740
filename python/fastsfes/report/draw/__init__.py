"""Drawing: axes, charts, and graphs of operations as inline SVG."""

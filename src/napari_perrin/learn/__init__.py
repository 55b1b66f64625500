"""The widget *Learn from tracks*: networks that are trained on one's own tracks."""

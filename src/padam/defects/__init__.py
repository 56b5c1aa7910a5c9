"""The seven defects, the production workflow that applies them, and the clip pairs they make."""

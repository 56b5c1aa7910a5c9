"""Models: audio and video encoders, quality head, losses and the defect classifier."""

"""What a scan leaves behind: detections.json and the figure beside it."""

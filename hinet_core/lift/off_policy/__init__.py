"""What another ranking would have been worth, estimated from a log whose logger drew with known probabilities."""

"""What the models said, by image and by study, and the operating points that it is read by."""

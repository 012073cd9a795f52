"""The Grayscale Softcopy Presentation State: the regions as annotations that a viewer lays over the radiograph."""

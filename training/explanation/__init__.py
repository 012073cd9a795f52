"""How well score maps point at what radiologists drew, and which findings of a package have one."""

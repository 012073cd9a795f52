"""The model card of a package, a module for each kind of section."""

"""How good is a package: predictions through the code that serves, figures with intervals, pages to read them on."""

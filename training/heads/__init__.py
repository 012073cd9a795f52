"""New heads on the trunk of a package that is there, fitted on films of many sources with what each makes known."""

"""The page of models, written from the files that runs left."""

"""The instances on disk: written durably, compared with the database, taken in again."""

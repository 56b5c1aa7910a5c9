"""A benchmark that anyone can rebuild: titles like those of an archive, with exact truth."""

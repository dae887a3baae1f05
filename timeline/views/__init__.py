"""Views: what the log says, arranged for reading. A local SQLite file built from records by one `apply`.

`classes` is the arithmetic of the overlap index, `projector` the fold, `reader` the questions, `store` the file's life.
"""

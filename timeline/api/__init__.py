"""HTTP: thin handlers over `timeline.chronicle`, served by Litestar.

`routes` is the one table of paths: the application, OPTIONS, the OpenAPI document and the tests are made from it.
"""

"""One module a section of the comparison: measure(args, data_set) -> JSON, tables(result) -> Markdown."""

"""The use cases, for whoever drives them: the command line, a script, a web page. docs/api.md."""

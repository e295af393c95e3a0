"""`python -m orchestrator` is `sparkctl`."""

from orchestrator.cli.main import main

main()

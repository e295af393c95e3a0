"""What resources do through the Docker SDK.

They import it when a change is made: it takes a tenth of a second, and a command that has nothing
to do needs none of it.
"""

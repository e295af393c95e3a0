"""A training script of somebody's own: started by one rank, and watched from inside.

`site/` is on the path of the script's processes, and nothing else of ours: a script may well have a
package named `training` itself.
"""

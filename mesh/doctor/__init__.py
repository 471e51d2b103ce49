"""One command that says what is wrong with a mesh: `python -m mesh doctor`.

`collect` asks the regions and gives facts, `facts` are their types, `checks` make findings of facts without asking
anything, `report` shows them. `stack` is the one place that reads the stack's outputs.
"""

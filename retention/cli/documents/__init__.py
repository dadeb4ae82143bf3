"""The documents that commands print as JSON: `data` of each, one file a command group.

They are the return types of the commands (`-> Result[Ingest]`): the type checker holds a command to its document, and
`retention schema` makes the JSON Schema from the same type, so the two cannot drift. No command imports these at run
time; only the schema does. What a field means stands below it.
"""

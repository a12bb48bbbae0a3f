"""Copying a provider's attendances from a server that speaks contract section 2, and keeping the copy up to date.

`source` asks the server and checks its answers, `patience` waits out what passes, `reading` asks for everything once
and then for what changed, `passes` puts it where it belongs, `target` is where rows and place go, in one transaction,
and `reconcile` compares both sides.
docs/syncing.md says why nothing is lost on the way.
"""

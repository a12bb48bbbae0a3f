"""Export jobs: a report is written to a file by and by, whatever happens meanwhile (contract sections 8 and 9).

A job waits in the store until a worker, a thread of the server, begins it. The file is made under another name, forced
to the disk and renamed, and only then the job is complete: a file without a complete job is the rest of something that
broke off, and is removed at the next start, where jobs that were running wait again. Whoever changes a job says in
which status and run it was, so that of two who change it at once only the first does.
"""

from turnout.jobs.links import Links
from turnout.jobs.queue import Jobs

__all__ = ["Jobs", "Links"]

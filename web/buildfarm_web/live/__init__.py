"""Live parts: server-sent events for logs that grow and pages that change.

A client costs a socket and a coroutine, never a thread: gunicorn hands its connection over
(:mod:`.handover`) to one event loop (:mod:`.following`). One reader looks at each followed log
(:mod:`.tail`) and at the event table (:mod:`.changes`), however many follow; what it read is
encoded once (:mod:`.sse`) and sent to all.
"""

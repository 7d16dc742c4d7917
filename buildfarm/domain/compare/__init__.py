"""The comparison's decisions: facts of two RPMs in, findings and a verdict out. No I/O, no clock.

Reading order: ``facts`` (what is known of one RPM), ``pairing`` (which RPM stands against which),
``rpm`` (one pair: ``header``, ``dependencies``, ``scripts``, ``changelog``, ``files``, then
``content`` and ``elf`` for what differs), ``expect`` (what a debrand rule or a waiver foresaw),
``fold`` and ``report``.
"""

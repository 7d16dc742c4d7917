"""Debranding: a rule's actions applied to the unpacked sources as text, exactly or not at all.

Reading order: ``rule`` (what can be said), ``tree`` and ``spec`` (what it is said about), ``apply``
(who does what); then one module a kind of edit: ``replacing``, ``section_edits``, ``release``,
``changelog``, ``sources``, ``patches``, ``unified``, ``tarball``. ``autopatch_style`` and
``spec_pass`` place lines as two other tools do, so that their rules carry over byte for byte.
"""

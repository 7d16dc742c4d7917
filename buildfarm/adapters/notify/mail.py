"""Mail by SMTP: one message, composed by the standard library so that no header is injected."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from buildfarm.config import Mail
from buildfarm.ports.notifications import DeliveryResult, MailMessage

_TIMEOUT_S = 30
_PERMANENT = 500
_LONGEST_SUBJECT = 200


class Smtp:
    """See :class:`buildfarm.ports.notifications.Mailer`; ``password`` is read from its file each
    time.
    """

    def __init__(self, settings: Mail, *, password_file: Path | None) -> None:
        self._settings = settings
        self._password_file = password_file

    def __call__(self, mail: MailMessage) -> DeliveryResult:
        """Hand a message over once; a 5xx is final, after everything else it may be sent again."""
        try:
            with smtplib.SMTP(
                self._settings.host, self._settings.port, timeout=_TIMEOUT_S
            ) as server:
                if self._settings.starttls:
                    server.starttls(context=ssl.create_default_context())
                if self._settings.user and self._password_file is not None:
                    server.login(
                        self._settings.user, self._password_file.read_text(encoding="utf-8").strip()
                    )
                server.send_message(compose(mail, sender=self._settings.sender))
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            return _refused(code, words)
        except smtplib.SMTPResponseException as error:
            return _refused(error.smtp_code, error.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            return DeliveryResult(accepted=False, status=f"{type(error).__name__}: {error}"[:300])
        return DeliveryResult(accepted=True, status="accepted")


def _refused(code: int, words: bytes | str) -> DeliveryResult:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    # The farm's own account is at fault, not the mailbox: keep the message for later.
    is_login = code in (530, 534, 535)
    return DeliveryResult(
        accepted=False,
        status=f"SMTP {code} {said}"[:300],
        final=code >= _PERMANENT and not is_login,
    )


def compose(mail: MailMessage, *, sender: str) -> EmailMessage:
    """Return the message (RFC 5322), with headers for threads by drop and one-click unsubscription.

    The latter is RFC 8058.
    """
    domain = sender.rpartition("@")[2].rstrip("> ") or "localhost"
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = _one_line(mail.subject)[:_LONGEST_SUBJECT]
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = f"<{mail.batch}@{domain}>"
    if mail.threads:
        roots = [f"<drop.{drop}@{domain}>" for drop in mail.threads]
        message["In-Reply-To"] = roots[0]
        message["References"] = " ".join(roots[:20])
    message["List-Id"] = f"<builds.{domain}>"
    message["List-Unsubscribe"] = f"<{mail.unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _one_line(text: str) -> str:
    """Return text on one line, so that a source's name cannot end a header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())

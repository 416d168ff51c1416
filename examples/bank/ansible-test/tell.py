"""Mails which task failed, and on which host."""

import json
import os
import smtplib
from email.message import EmailMessage
from pathlib import Path

given = json.loads(Path(os.environ["ROTA_INPUT"]).read_text())
message = EmailMessage()
message["Subject"] = f"the Ansible test failed at `{given['task']}`"
message["From"], message["To"] = given["mail"]["from"], given["mail"]["to"]
message.set_content(f"{given['message']}\n\nrota executions logs {given['execution']}\n")
with smtplib.SMTP(given["smtp"]["host"], given["smtp"]["port"], timeout=30) as server:
    server.send_message(message)
print(f"told {given['mail']['to']}: {given['message']}")

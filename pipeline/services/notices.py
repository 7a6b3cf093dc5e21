"""Notices of runs that failed, were turned down, alarm or wait for a person: automations."""

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kdsharp.errors import UserError

if TYPE_CHECKING:
    from prefect.blocks.abstract import NotificationBlock
    from prefect.client.orchestration import SyncPrefectClient

__all__ = ["NOTIFY", "install_notices", "receiver"]

NOTIFY = "KDSHARP_NOTIFY"
"""The variable with the address that notices go to."""

_NAME = "kdsharp-notices"
_FLOWS = ("retrain", "promote", "rollback", "approve", "monitor")
_STATES = ("Failed", "Crashed", "TimedOut", "Refused", "Rejected", "Paused", "Drifted", "Falling")

_SUBJECT = "kdsharp: {{ flow.name }} {{ flow_run.state.name }}"
_BODY = """{{ flow_run.name }}: {{ flow_run.state.message or flow_run.state.name }}
{{ flow_run | ui_url }}"""


def receiver(address: str) -> "NotificationBlock":
    """What sends to `address`: JSON to http:// and https://, all else as Apprise does.

    Apprise knows mail (`mailtos://user:password@host?to=ann@example.org`), Slack and a hundred
    more. Raises `UserError` for an address that it does not know.
    """
    from apprise import Apprise
    from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
    from pydantic import SecretStr

    if urlsplit(address).scheme in {"http", "https"}:
        body = {"title": "{{subject}}", "text": "{{body}}"}
        return CustomWebhookNotificationBlock(
            name="kdsharp", url=address, json_data=body, headers=None, cookies=None
        )
    if not Apprise().add(address):
        scheme = urlsplit(address).scheme
        raise UserError(f"{NOTIFY}: {scheme or 'that'} is no address that Apprise can send to")
    # Of the blocks that the server knows, the one that hands any address to Apprise.
    return SlackWebhook(url=SecretStr(address))


def install_notices(client: "SyncPrefectClient") -> None:
    """Make the automation that sends to $KDSHARP_NOTIFY; remove it where that is set and empty.

    Without the variable, what is there stays, such as what somebody has made in the pages.
    """
    address = os.environ.get(NOTIFY)
    if address is None:
        return
    for known in client.read_automations_by_name(_NAME):
        client.delete_automation(known.id)
    if address:
        client.create_automation(_automation(receiver(address)))


def _automation(block: "NotificationBlock") -> Any:
    from prefect.automations import AutomationCore, EventTrigger
    from prefect.events import ResourceSpecification, SendNotification
    from prefect.utilities.asyncutils import run_coro_as_sync

    identifier = run_coro_as_sync(block.asave(_NAME, overwrite=True))
    assert identifier is not None
    flows = {"prefect.resource.role": "flow", "prefect.resource.name": list(_FLOWS)}
    return AutomationCore(
        name=_NAME,
        description=f"Sends to ${NOTIFY}; make up writes it anew.",
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{state}" for state in _STATES},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(flows),
            for_each={"prefect.resource.id"},
        ),
        actions=[SendNotification(block_document_id=identifier, subject=_SUBJECT, body=_BODY)],
    )

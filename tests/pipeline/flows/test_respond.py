"""The event that the monitor sends, and the automation of prefect.yaml that answers it."""

import inspect
from pathlib import Path
from uuid import uuid4

from prefect.cli.deploy._triggers import _initialize_deployment_triggers
from prefect.events import Event
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.utilities.user_templates import render_user_template_sync
from ruamel.yaml import YAML

from pipeline.flows.respond import DEPLOYMENT, EVENT, RESOURCE
from pipeline.flows.retrain import retrain

ROOT = Path(__file__).parents[3]
PATH = "/srv/kdsharp/reports/monitor/proposals/20260131-041700.yaml"


def received(name, resource):
    sent = Event(event=name, resource={"prefect.resource.id": resource}, payload={"proposal": PATH})
    return ReceivedEvent.model_validate(sent.model_dump())


def test_the_automation_answers_our_event_with_the_proposal():
    deployments = YAML(typ="safe").load(ROOT / "prefect.yaml")["deployments"]
    flow, _, name = DEPLOYMENT.partition("/")
    (ours,) = (each for each in deployments if each["name"] == name)
    assert ours["entrypoint"].endswith(f".{flow}")
    (trigger,) = _initialize_deployment_triggers(name, ours["triggers"])
    trigger.set_deployment_id(uuid4())
    made = trigger.as_automation()
    served = EventTrigger.model_validate(made.trigger.model_dump())
    event = received(EVENT, RESOURCE)
    assert served.covers(event)
    assert served.immediate and served.threshold == 1
    assert not served.covers(received("kdsharp.monitor.other", RESOURCE))
    assert not served.covers(received(EVENT, "prefect.flow-run.1"))

    (action,) = made.actions
    assert action.type == "run-deployment"
    taken = set(inspect.signature(retrain.fn).parameters)
    assert {*action.parameters, *ours["parameters"]} <= taken
    template = action.parameters["proposal"]
    assert render_user_template_sync(template, {"event": event}) == PATH


def test_nothing_else_is_started_by_events():
    deployments = YAML(typ="safe").load(ROOT / "prefect.yaml")["deployments"]
    assert [each["name"] for each in deployments if "triggers" in each] == ["drift"]

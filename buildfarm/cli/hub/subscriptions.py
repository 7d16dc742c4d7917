"""``buildfarm subscribe`` and related commands: subscriptions, deliveries, readers of the
stream.
"""

from __future__ import annotations

import click

from buildfarm import bootstrap, config
from buildfarm.adapters.notify import event_stream
from buildfarm.cli import output
from buildfarm.cli.hub.queries import at, client, json_option
from buildfarm.client.notifications import OfWhat
from buildfarm.domain.notify.notice import WANT_A_PERSON, Topic
from buildfarm.domain.notify.subscription import Channel, DeliveryState


@click.command("subscribe")
@click.argument("channel", type=click.Choice([channel.value for channel in Channel]))
@click.argument("address")
@click.option(
    "--topic", "topics", multiple=True, type=click.Choice([topic.value for topic in Topic]),
    help=f"More than once. Default: {', '.join(WANT_A_PERSON)}.",
)  # fmt: skip
@click.option("--source", default="*", show_default=True, help="Glob over the source's name.")
@click.option("--target", "-t", default="*", show_default=True, help="Glob over the target's name.")
@click.option("--sig", default="", help="Only items that this SIG is responsible for.")
@json_option
def subscribe(
    channel: str,
    address: str,
    topics: tuple[str, ...],
    source: str,
    target: str,
    sig: str,
    *,
    as_json: bool,
) -> None:
    """Send notices to ADDRESS: digests to an e-mail address, signed webhooks to a URL."""
    what = OfWhat(topics=[Topic(topic) for topic in topics], source=source, target=target, sig=sig)
    made = client().notifications.subscribe(Channel(channel), address, **what)
    if as_json:
        output.as_json(made)
        return
    output.out.print(f"{made.id}: {', '.join(made.topics)}", highlight=False)
    if made.secret:
        output.out.print(f"secret (shown this once): {made.secret}", highlight=False)


@click.command("subscriptions")
@click.option("--all", "everything", is_flag=True, help="Include those that have ended.")
@json_option
def subscriptions(*, everything: bool, as_json: bool) -> None:
    """List subscriptions: your own, or all for an engineer."""
    found = client().notifications.subscriptions(everything=everything)
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            one.id, one.channel, one.address, one.owner, ", ".join(one.topics),
            f"{one.source} for {one.target}" + (f", SIG {one.sig}" if one.sig else ""),
            one.ended_why or f"{one.pending} pending, {one.dead} given up",
        )
        for one in found.subscriptions
    ]  # fmt: skip
    output.table(("Subscription", "By", "To", "Owner", "Told of", "Where", "State"), rows)


@click.command("unsubscribe")
@click.argument("subscription")
@click.option("--reason", default="", help="The reason, for the audit log.")
def unsubscribe(subscription: str, reason: str) -> None:
    """End SUBSCRIPTION; its pending deliveries are dropped."""
    ended = client().notifications.unsubscribe(subscription, reason=reason)
    output.out.print(f"{ended.id}: {ended.ended_why}", highlight=False)


@click.command("deliveries")
@click.option(
    "--state", type=click.Choice([state.value for state in DeliveryState]), help="Only these."
)
@click.option("--subscription", default="", help="Only this one.")
@json_option
def deliveries(state: str | None, subscription: str, *, as_json: bool) -> None:
    """List deliveries, with the result of the last attempt."""
    found = client().notifications.page(state=state or "", subscription=subscription)
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            owed.id,
            owed.channel,
            owed.state,
            owed.attempts,
            owed.status,
            at(owed.settled or owed.due),
        )
        for owed in found.deliveries
    ]
    output.table(("Delivery", "By", "State", "Tries", "Last answer", "Next or settled"), rows)


@click.command("redeliver")
@click.argument("delivery", nargs=-1, required=True)
def redeliver(delivery: tuple[str, ...]) -> None:
    """Send each settled DELIVERY again, under its id."""
    hub = client()
    for one in delivery:
        owed = hub.notifications.redeliver(one)
        output.out.print(f"{owed.id}: {owed.state}", highlight=False)


@click.command("stream-reader")
@click.argument("name")
def stream_reader(name: str) -> None:
    """Create (or renew) a Redis user NAME that may only read the event stream; print its URL."""
    url = event_stream.add_reader(bootstrap.redis_url(config.load()), name)
    click.echo(f"{url} {event_stream.KEY}")


COMMANDS = (subscribe, subscriptions, unsubscribe, deliveries, redeliver, stream_reader)

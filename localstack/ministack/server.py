"""MiniStack with IAM enforced, mended where it judges otherwise than AWS or can't deploy our app."""

import inspect

from ministack import app as ministack
from ministack.core import iam_actions
from ministack.services import stepfunctions
from ministack.services.cloudformation import provisioners

FORWARDED = (b"x-forwarded-proto", b"https")


def behind_tls(app):
    """What an AWS endpoint is behind: TLS that has ended. Policies that refuse plain HTTP then let through what came over TLS."""

    async def front(scope, receive, send):
        if scope["type"] == "http":
            headers = [each for each in scope["headers"] if each[0].lower() != FORWARDED[0]]
            scope = {**scope, "headers": [*headers, FORWARDED]}
        await app(scope, receive, send)

    return front


def takes_metric_math(record):
    """An alarm on an expression is refused, and the whole stack with it: here it is one on a metric that nobody writes."""

    def taken(name, props):
        if props.get("Metrics"):
            props = {**props, "Metrics": None, "MetricName": "Expression", "Namespace": "Nobody"}
        return record(name, props)

    return taken


def knows_tokens(resource_of):
    """AWS judges SendTaskSuccess and its like by the machine that waits for the token; MiniStack by no resource. One of ours waits."""
    parameters = inspect.signature(resource_of)

    def known(*args, **kwargs):
        given = parameters.bind(*args, **kwargs).arguments
        machines = [arn for arn, machine in stepfunctions._state_machines.items() if "waitForTaskToken" in machine["definition"]]
        if given["service"] == "states" and len(machines) == 1 and b"taskToken" in bytes(given["body"] or b""):
            return machines[0]
        return resource_of(*args, **kwargs)

    return known


def knows_conditional_writes(context_of):
    """The condition key s3:if-none-match, which MiniStack does not know: without it no session of an agent could write."""

    def known(iam_action, query_params, path="", headers=None):
        context = context_of(iam_action, query_params, path, headers)
        value = (headers or {}).get("if-none-match")
        return {**context, "s3:if-none-match": value} if iam_action == "s3:PutObject" and value else context

    return known


# Its main serves whatever bears this name, and each request asks for the others by theirs.
ministack.app = behind_tls(ministack.app)
provisioners._cw_metric_alarm_record = takes_metric_math(provisioners._cw_metric_alarm_record)
iam_actions.extract_resource_arn = knows_tokens(iam_actions.extract_resource_arn)
iam_actions.s3_service_context = knows_conditional_writes(iam_actions.s3_service_context)

if __name__ == "__main__":
    ministack.main()

"""Changes to LocalStack 4.14.0 that it has no setting for."""

import os
import shutil

from localstack.runtime import hooks


@hooks.on_infra_start()
def dynamodb_from_maven():
    """Runs the DynamoDB Local that install.sh laid down, instead of downloading one."""
    from localstack.services.dynamodb.server import DynamodbServer
    from localstack.utils.run import ShellCommandThread

    jars, launcher = os.environ["DYNAMODB_JARS"], os.environ["DYNAMODB_LOCAL"]

    def start(server):
        java = [shutil.which("java"), f"-Xmx{server.heap_size}", f"-Djava.library.path={jars}", "-cp", f"{jars}/*"]
        thread = ShellCommandThread(
            [*java, launcher, "-port", str(server.port), "-inMemory", "-disableTelemetry"],
            auto_restart=True,
            name="dynamodb-local",
        )
        thread.start()
        return thread

    DynamodbServer.do_start_thread = start


@hooks.on_infra_start()
def task_tokens():
    """Mends three defects of lambda:invoke.waitForTaskToken.

    Where HeartbeatSeconds is set, an answer that comes before the invoked function returns is never noticed, and a
    heartbeat that does is refused as if the token were none. A retry gets the token of the attempt before it, and with
    the token that attempt's outcome.
    """
    from localstack.services.stepfunctions.asl.component.common.retry.retry_outcome import RetryOutcome
    from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service_callback import (
        StateTaskServiceCallback,
    )
    from localstack.services.stepfunctions.asl.eval.callback.callback import CallbackEndpoint

    set_up = CallbackEndpoint.setup_heartbeat_endpoint
    notify_heartbeat = CallbackEndpoint.notify_heartbeat
    handle_retry = StateTaskServiceCallback._handle_retry

    def set_up_noticing(endpoint, heartbeat_seconds):
        heartbeat = set_up(endpoint, heartbeat_seconds)
        if endpoint.get_outcome() is not None:
            heartbeat.notify()
        return heartbeat

    def notify_heartbeat_early(endpoint):
        notify_heartbeat(endpoint)
        return True

    def handle_retry_renewing(state, env, failure_event):
        outcome = handle_retry(state, env, failure_event)
        context = env.states.context_object
        if outcome == RetryOutcome.CanRetry and "Task" in context.context_object_data:
            env.callback_pool_manager.add(context.update_task_token())
        return outcome

    CallbackEndpoint.setup_heartbeat_endpoint = set_up_noticing
    CallbackEndpoint.notify_heartbeat = notify_heartbeat_early
    StateTaskServiceCallback._handle_retry = handle_retry_renewing


@hooks.on_infra_start()
def stage_updates():
    """Lets a stack update give a stage its new deployment; it stayed on the old one, and was deleted together with that."""
    from localstack.services.apigateway.resource_providers.aws_apigateway_stage import ApiGatewayStageProvider
    from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent

    def update(provider, request):
        stage = {**request.previous_state, **request.desired_state}
        request.aws_client_factory.apigateway.update_stage(
            restApiId=stage["RestApiId"],
            stageName=stage["StageName"],
            patchOperations=[{"op": "replace", "path": "/deploymentId", "value": stage["DeploymentId"]}],
        )
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=stage)

    ApiGatewayStageProvider.update = update

"""What LocalStack loads by name: LAMBDA_RUNTIME_EXECUTOR=node and GATEWAY_SERVER=loopback."""

from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class NodeExecutorPlugin(RuntimeExecutorPlugin):
    name = "node"

    def load(self, *args, **kwargs):
        from layermover_localstack.executor import NodeExecutor

        return NodeExecutor


class LoopbackServerPlugin(RuntimeServerPlugin):
    name = "loopback"

    def load(self, *args, **kwargs):
        from layermover_localstack.server import LoopbackServer

        return LoopbackServer()

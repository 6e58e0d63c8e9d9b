"""A Lambda execution environment as one Node process: see runtime.mjs for its side of the conversation."""

import json
import shutil
import tempfile
import time

from layermover_localstack.child import Child, ChildGone
from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

INIT_SECONDS_MAX = 20
HEAP_SHARE = 0.9


class NodeExecutor(RuntimeExecutor):
    """LocalStack calls `start` once, `invoke` for one call at a time, and `stop`, which may come from another thread."""

    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self.folder = None
        self.variables = {}
        self.child = None

    def start(self, env_vars):
        code = str(self.function_version.config.code.get_unzipped_code_location())
        self.folder = tempfile.mkdtemp(prefix="function-")
        self.variables = {name: str(value) for name, value in env_vars.items() if value is not None}
        options = self.variables.get("NODE_OPTIONS", "")
        heap = int(self.function_version.config.memory_size * HEAP_SHARE)
        self.variables |= {
            "NODE_OPTIONS": f"{options} --max-old-space-size={heap}".strip(),
            "LAMBDA_TASK_ROOT": code,
            "PATH": "/usr/bin:/bin",
            "TMPDIR": self.folder,
        }
        self.child = self._begin()

    def _begin(self):
        child = Child(self.variables, self.folder)
        try:
            answer = child.receive(time.monotonic() + INIT_SECONDS_MAX)
            error = answer.get("error")
        except TimeoutError:
            error = _error("Sandbox.Timedout", f"Init timed out after {INIT_SECONDS_MAX} seconds")
        except ChildGone as gone:
            error = _error("Runtime.ExitError", str(gone))
        if error is None:
            return child
        child.end()
        raise StatusErrorException(f"init failed: {child.take_log()}", payload=json.dumps(error).encode())

    def invoke(self, payload):
        id = payload["invoke-id"]
        seconds = self.function_version.config.timeout
        if not self.child.is_alive():
            self.child = self._begin()
        child = self.child
        try:
            deadline_ms = int((time.time() + seconds) * 1000)
            child.send({"id": id, "arn": payload["invoked-function-arn"], "event": payload["payload"], "deadlineMs": deadline_ms})
            answer = child.receive(time.monotonic() + seconds)
        except TimeoutError:
            child.end()
            answer = {"error": _error("Sandbox.Timedout", f"RequestId: {id} Error: Task timed out after {seconds:.2f} seconds")}
        except ChildGone as gone:
            answer = {"error": _error("Runtime.ExitError", f"RequestId: {id} Error: {gone}")}
        error = answer.get("error")
        # LocalStack, like Lambda, has a line of the platform's own in every log, and warns where there is none.
        logs = f"{child.take_log()}END RequestId: {id}\n"
        body = answer["result"] if error is None else json.dumps(error)
        return InvocationResult(id, body.encode(), is_error=error is not None, logs=logs)

    def stop(self):
        if self.child:
            self.child.end()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def get_address(self):
        return config.GATEWAY_LISTEN[0].host

    def get_endpoint_from_executor(self):
        return config.GATEWAY_LISTEN[0].host

    def get_runtime_endpoint(self):
        return f"http://{config.GATEWAY_LISTEN[0]}/_localstack_lambda/{self.id}"

    def get_logs(self):
        return self.child.take_log() if self.child else ""

    @classmethod
    def prepare_version(cls, function_version):
        runtime = function_version.config.runtime or "an image"
        if not runtime.startswith("nodejs"):
            raise LambdaRuntimeException(f"functions run on Node here, not on {runtime}")
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        pass


def _error(type, message):
    return {"errorType": type, "errorMessage": message}

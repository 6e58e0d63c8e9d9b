"""LocalStack's own server listens on every interface, whatever host GATEWAY_LISTEN names, and does not mind if it can't."""

from localstack.runtime.server.twisted import TwistedRuntimeServer
from rolo.serving.twisted import TwistedGateway
from twisted.internet import reactor


class LoopbackServer(TwistedRuntimeServer):
    def register(self, gateway, listen, ssl_creds=None):
        """Listens on the hosts that are named, by plain HTTP: nothing leaves the machine. Raises if a port is taken."""
        site = TwistedGateway(gateway)
        for address in listen:
            reactor.listenTCP(address.port, site, interface=address.host)

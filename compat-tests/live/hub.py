# hub.py PORT CONFIG: koji's hub, and its files below /kojifiles, on loopback: several processes, as under httpd.
import mimetypes
import os
import re
import socket
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from kojihub import kojixmlrpc

PORT, CONFIG = int(sys.argv[1]), sys.argv[2]
TOP = re.search(r'(?m)^KojiDir *= *(\S+)', open(CONFIG).read()).group(1) + '/'


class Body:
    """The body of a request, which ends where Content-Length says: the server alone would wait for more."""

    def __init__(self, stream, left):
        self.stream, self.left = stream, left

    def read(self, size=-1):
        if size is None or size < 0 or size > self.left:
            size = self.left
        data = self.stream.read(size)
        self.left -= len(data)
        return data


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def application(environ, start_response):
    path = environ['PATH_INFO']
    if path.startswith('/kojifiles/'):
        name = os.path.normpath(TOP + path[len('/kojifiles/'):])
        if not name.startswith(TOP) or not os.path.isfile(name):
            start_response('404 Not Found', [('Content-Length', '0')])
            return []
        start_response('200 OK', [('Content-Length', str(os.path.getsize(name))),
                                  ('Content-Type', mimetypes.guess_type(name)[0] or 'application/octet-stream')])
        return environ['wsgi.file_wrapper'](open(name, 'rb'), 1 << 20)
    environ['koji.hub.ConfigFile'] = CONFIG
    environ['wsgi.input'] = Body(environ['wsgi.input'], int(environ.get('CONTENT_LENGTH') or 0))
    environ['REQUEST_SCHEME'] = 'http'
    out = kojixmlrpc.application(environ, start_response)
    return [b.encode() if isinstance(b, str) else b for b in out]


server = WSGIServer(('127.0.0.1', PORT), Quiet, bind_and_activate=False)
server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.request_queue_size = 64
server.server_bind()
server.server_activate()
server.set_app(application)
for _ in range(7):
    if os.fork() == 0:
        break
server.serve_forever()

"""Take the port as soon as it is free, then stay in the background with it."""

import http.server
import os
import sys
import time


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


port = int(sys.argv[1])
until = time.time() + 10
while True:
    try:
        server = http.server.HTTPServer(("127.0.0.1", port), Quiet)
        break
    except OSError:
        if time.time() > until:
            sys.exit("the port did not become free")
        time.sleep(0.01)
if os.fork():
    os._exit(0)
os.chdir("/")
open(os.path.join(os.environ["DRILL_DIR"], "squatter.pid"), "w").write(str(os.getpid()))
server.serve_forever()

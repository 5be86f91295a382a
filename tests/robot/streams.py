"""A network camera: pictures over HTTP, one after the other."""

import io
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import numpy as np
from PIL import Image

PATIENCE_S = 20.0


def painted(red, green, blue, width=96, height=64):
    """A picture of one colour."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = (red, green, blue)
    return picture


class Stream:
    """Sends one picture again and again until ``over`` is set, as its camera goes away.

    Attributes:
        address: where it is read.
    """

    def __init__(self, picture):
        self.over = threading.Event()
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "jpeg", quality=95)
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(self.over, content.getvalue()))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/camera.mjpeg"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=PATIENCE_S)


def _handler(over, content):
    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            while not over.wait(0.01):
                self.wfile.write(head + content + b"\r\n")

        def log_message(self, *arguments):
            pass

        def handle(self):
            # Its reader may leave at any time.
            try:
                super().handle()
            except OSError:
                self.close_connection = True

        def finish(self):
            try:
                super().finish()
            except OSError:
                self.wfile.close()

    return Handler

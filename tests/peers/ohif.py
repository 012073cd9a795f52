"""OHIF beside a console, as a proxy of a hospital serves both: one origin, and a token that the proxy adds."""

import http.client
import json
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_HANDED_ON = ("Accept", "Content-Type")


def _settings(origin: str) -> str:
    web = f"{origin}/dicom-web"
    source = {
        "friendlyName": "cxrnode", "name": "cxrnode", "qidoRoot": web, "wadoRoot": web, "wadoUriRoot": web,
        "qidoSupportsIncludeField": True, "imageRendering": "wadors", "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True, "supportsFuzzyMatching": False, "supportsWildcard": True,
        "dicomUploadEnabled": False, "omitQuotationForMultipartRequest": True, "bulkDataURI": {"enabled": True},
    }  # fmt: skip
    configuration = {
        "routerBasename": "/", "extensions": [], "modes": [], "customizationService": {}, "showStudyList": True,
        "maxNumberOfWebWorkers": 1, "showLoadingIndicator": True, "useSharedArrayBuffer": "FALSE",
        "investigationalUseDialog": {"option": "never"}, "defaultDataSourceName": "cxrnode",
        "dataSources": [
            {
                "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb", "sourceName": "cxrnode",
                "configuration": source,
            }
        ],
    }  # fmt: skip
    return f"window.config={json.dumps(configuration)};"


@contextmanager
def serve(dist: Path, console_port: int, token: str) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Serve OHIF from its unpacked ``dist`` and the console's DICOMweb; yield the address and what was answered."""
    answers: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path.startswith("/dicom-web"):
                self._hand_on()
            elif path == "/app-config.js":
                self._answer(200, "text/javascript", _settings(origin).encode())
            else:
                file = (dist / path.lstrip("/")).resolve()
                if not file.is_relative_to(dist.resolve()) or not file.is_file():
                    file = dist / "index.html"
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                self._answer(200, kind, file.read_bytes())

        def _hand_on(self) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", console_port, timeout=60)
            headers = {name: self.headers[name] for name in _HANDED_ON if name in self.headers}
            connection.request("GET", self.path, headers=headers | {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            answers.append((answer.status, self.path))
            self._answer(answer.status, answer.headers.get("Content-Type", ""), content)

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    origin = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield origin, answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

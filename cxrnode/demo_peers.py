"""The other side of the demonstration: a small PACS and a small RIS that keep what they are sent.

They listen on the loopback interface only, in the demo's own process. The node does not know that they are no real
systems: it speaks DICOM and MLLP to them like to any.
"""

import socketserver
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, VerificationPresentationContexts, evt
from pynetdicom.transport import ThreadedAssociationServer

from config.settings import ReportSettings

_START, _END = b"\x0b", b"\x1c\r"
_LONGEST_MESSAGE = 1 << 20


@dataclass
class DemoPacs:
    """A Storage SCP that writes every SR and secondary capture to a folder, by kind and UID."""

    folder: Path
    received: dict[str, Path] = field(default_factory=dict)
    times_received: dict[str, int] = field(default_factory=dict)
    _server: ThreadedAssociationServer | None = None

    def start(self) -> int:
        """Listen; return the port."""
        entity = AE(ae_title="DEMOPACS")
        for context in [*VerificationPresentationContexts, *AllStoragePresentationContexts]:
            entity.add_supported_context(context.abstract_syntax or "", ExplicitVRLittleEndian)
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._keep)])
        self._server = cast("ThreadedAssociationServer", server)  # not None: it does not block
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Stop listening; harmless when it never did."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _keep(self, event: evt.Event) -> int:
        encoded = event.encoded_dataset()
        header = dcmread(DicomBytesIO(encoded), stop_before_pixels=True)
        uid = str(header.SOPInstanceUID)
        path = self.folder / f"{_kind_of(header)}-{uid}.dcm"
        path.write_bytes(encoded)
        self.received[uid] = path
        self.times_received[uid] = self.times_received.get(uid, 0) + 1
        return 0x0000


def _kind_of(header: Dataset) -> str:
    """Return what a file of a document is named after; the node's own settings number its series."""
    if header.Modality == "SR":
        return "report"
    return "map" if header.SeriesNumber == ReportSettings().map_series_number else "capture"


class _Conversation(socketserver.StreamRequestHandler):
    """One MLLP connection: read a frame, keep the message, answer AA with its control ID, and again."""

    server: "_RisServer"

    def handle(self) -> None:
        buffer = b""
        while len(buffer) < _LONGEST_MESSAGE and (part := self.connection.recv(65536)):
            buffer += part
            while _END in buffer:
                frame, _, buffer = buffer.partition(_END)
                self._answer(frame.lstrip(_START).decode("utf-8"))

    def _answer(self, message: str) -> None:
        header = message.split("\r", 1)[0].split("|")
        control_id = header[9]
        self.server.ris.keep(control_id, message)
        sender = f"{header[2]}|{header[3]}|{header[6]}"
        answer = f"MSH|^~\\&|RIS|DEMO|{sender}||ACK^R01^ACK|{control_id}|P|2.5.1\rMSA|AA|{control_id}\r"
        self.connection.sendall(_START + answer.encode("utf-8") + _END)


class _RisServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    ris: "DemoRis"


@dataclass
class DemoRis:
    """An HL7 listener that writes every message to a folder by its control ID."""

    folder: Path
    received: dict[str, Path] = field(default_factory=dict)
    times_received: dict[str, int] = field(default_factory=dict)
    _server: _RisServer | None = None

    def start(self) -> int:
        """Listen; return the port."""
        self._server = _RisServer(("127.0.0.1", 0), _Conversation)
        self._server.ris = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Stop listening; harmless when it never did."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def keep(self, control_id: str, message: str) -> None:
        """Write a message down."""
        name = "".join(letter for letter in control_id if letter.isalnum())
        path = self.folder / f"message-{name}.hl7"
        path.write_text(message.replace("\r", "\r\n"), encoding="utf-8", newline="")
        self.received[control_id] = path
        self.times_received[control_id] = self.times_received.get(control_id, 0) + 1

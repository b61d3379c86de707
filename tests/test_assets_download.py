"""assets/download.py against a real HTTP server: what comes, what is stripped, and every way it can fail."""

import collections
import http.server
import os
import pty
import re
import resource
import signal
import socket
import threading
import time

import pytest

from assets import download
from tests.scripts import ROOT, run, start

BODY = "     THE KEYS, a centred title\n\n" + "It was the old miller’s third son who found the key.\n" * 2_000
START, END = (f"*** {word} OF THE PROJECT GUTENBERG EBOOK KEYS ***" for word in ("START", "END"))
BOOK = f"The Project Gutenberg eBook of Keys\n\nlicence\n\n{START}\n\n\n{BODY}\n\n{END}\n\nmore licence\n"
SMALL_PRINT = "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*"
OLD_END = "End of the Project Gutenberg Etext of Keys"

GOOD = {
    "plain": BOOK,
    "mark and line ends of Windows": "\ufeff" + BOOK.replace("\n", "\r\n"),
    "wrapped title": BOOK.replace("EBOOK KEYS", "EBOOK KEYS,\nAND OTHER TALES"),
    "this": BOOK.replace("OF THE", "OF THIS"),
    "no space": BOOK.replace("*** START", "***START").replace("*** END", "***END"),
    "two footers": BOOK.replace(END, "End of Project Gutenberg's Keys, by Nobody\n\n" + END),
    "German footer": BOOK.replace(END, "Ende dieses Project Gutenberg Etextes Keys"),
    "of the 1990s": BOOK.replace(START, SMALL_PRINT).replace(END, OLD_END),
    "two headers": BOOK.replace(START, f"{START}\n\nlicence\n\n{SMALL_PRINT}"),
    "full licence behind": BOOK + "\n*** START: FULL LICENSE ***\n" + f"{START}\nlicence\n{END}\n",
}
BAD = {  # what the server sends, and what is said of it
    "html": (b"<!DOCTYPE html><html><body>" + BOOK.encode(), "it is a web page"),
    "no header": (BOOK.replace(START, "").encode(), "lines that begin and end"),
    "no footer": (BOOK.replace(END, "").encode(), "lines that begin and end"),
    "latin-1": (BOOK.replace("’", "é").encode("latin-1"), "it is not UTF-8 at byte"),
    "short": (BOOK.replace(BODY, "short").encode(), "it has 6 characters only"),
    "empty": (b"", "lines that begin and end"),
}

REQUESTS = collections.Counter()
CLOSING = threading.Event()


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as the first folder of the path says: http://127.0.0.1:PORT/wrapped_title/cache/epub/1/pg1.txt."""

    def do_GET(self):
        kind, path = re.fullmatch(r"/([^/]+)(/.*)", self.path).groups()
        kind = kind.replace("_", " ")
        REQUESTS[kind] += 1
        if path != "/cache/epub/1/pg1.txt" or "Python-urllib" in self.headers["User-Agent"]:
            return self.send_error(403)
        body = BAD[kind][0] if kind in BAD else GOOD.get(kind, BOOK).encode()
        half = body[: len(body) // 2]
        if kind in GOOD or kind in BAD or (kind == "cut once" and REQUESTS[kind] > 1):
            self.answer(body, content_length=len(body))
        elif kind in ("cut", "cut once"):
            self.answer(half, content_length=len(body))
        elif kind == "cut chunked":
            self.answer(b"%x\r\n%s\r\n" % (len(half), half), transfer_encoding="chunked")
        elif kind == "reset":  # not a word
            self.connection.shutdown(socket.SHUT_RDWR)
        elif kind == "silent":
            CLOSING.wait(10)
        elif kind in ("hanging", "interrupted"):
            self.answer(half, content_length=len(body))
            CLOSING.wait(10)
        elif kind == "huge":
            self.answer(body, content_length=10**9)
        elif kind == "endless":
            self.answer(b"")
            while not CLOSING.is_set():
                self.wfile.write(bytes(2**20))
        elif kind == "in a circle":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        else:
            self.send_error(404)

    def answer(self, body, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    """The address of a running server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.handle_error = lambda *_: None  # a client that hangs up is what is tested
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    CLOSING.set()
    server.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def flags(mirror, folder, name="1"):
    return ["assets/download.py", name, "--mirror", mirror.replace(" ", "_"), "--output", folder / "keys.txt"]


@pytest.mark.parametrize("kind", [*GOOD, "cut once"])
def test_a_book_comes_without_its_licence(server, tmp_path, kind):
    status, out, err = run(*flags(f"{server}/{kind}/", tmp_path))
    assert (status, err, out.count("\n")) == (0, "", 1)
    assert (tmp_path / "keys.txt").read_bytes().decode() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["keys.txt"]


@pytest.mark.parametrize(
    "kind, named",
    [
        *((kind, named) for kind, (_, named) in BAD.items()),
        ("missing", "the server answers 404 Not Found"),
        ("in a circle", "the server answers 302"),
        ("huge", "it is larger than 50,000,000 bytes"),
        ("endless", "it is larger than 50,000,000 bytes"),
    ],
)
def test_what_is_no_book_leaves_nothing_behind(server, tmp_path, kind, named):
    status, out, err = run(*flags(f"{server}/{kind}", tmp_path))
    assert (status, out, err.count("\n")) == (1, "", 1), err
    assert named in err and "/cache/epub/1/pg1.txt" in err and REQUESTS[kind] <= (10 if kind == "in a circle" else 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "kind, named",
    [
        ("cut", "cut off, 3 times"),
        ("cut chunked", "cut off, 3 times"),
        ("reset", "cut off, 3 times"),
        ("silent", "no answer within 0.2 seconds, 3 times"),
        ("hanging", "no answer within 0.2 seconds, 3 times"),
    ],
)
def test_a_connection_that_is_cut_off_or_hangs_is_tried_three_times(server, tmp_path, kind, named):
    status, out, err = run(*flags(f"{server}/{kind}", tmp_path), "--timeout", 0.2)
    assert (status, out, err.count("\n")) == (1, "", 1), err
    assert named in err and REQUESTS[kind] == 3
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_one_line(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{free.getsockname()[1]}"
    for mirror, named in ((refused, "no connection (Connection refused)"), ("http://no-such-host.invalid", "no conn")):
        status, out, err = run(*flags(mirror, tmp_path))
        assert (status, out, err.count("\n")) == (1, "", 1) and named in err and mirror in err
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(server, tmp_path):
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    status, out, err = run(*flags(f"{server}/plain", tmp_path), preexec_fn=full)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert str(tmp_path / "keys.txt") in err and "bytes are free" in err and "http" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_one_line(server, tmp_path):
    status, out, err = run(*flags(f"{server}/plain", tmp_path)[:-1], tmp_path / ("x" * 300))  # a name too long
    assert (status, out, err.count("\n")) == (1, "", 1) and "File name too long" in err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_is_silent_and_leaves_nothing(server, tmp_path):
    def listen():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # even if the tests themselves run in the background

    process = start(*flags(f"{server}/interrupted", tmp_path), preexec_fn=listen)
    while not REQUESTS["interrupted"]:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_it_is_written_comes_too_late(server, tmp_path, monkeypatch):
    def write(path, text):
        os.kill(os.getpid(), signal.SIGINT)
        path.write_text(text)

    monkeypatch.setattr(download, "write_atomically", write)
    download.main(list(map(str, flags(f"{server}/plain", tmp_path)[1:])))
    assert (tmp_path / "keys.txt").read_text() == BODY


def test_a_bar_on_a_terminal(server, tmp_path):
    terminal, child = pty.openpty()
    status, _, _ = run(*flags(f"{server}/plain", tmp_path), stderr=child)
    os.close(child)
    assert status == 0 and b"B/s]" in os.read(terminal, 10_000)
    os.close(terminal)


def test_what_it_says_at_the_end_and_that_a_file_is_left_alone(server, tmp_path, monkeypatch, capsys):
    (tmp_path / "assets").mkdir()
    monkeypatch.setattr(download, "ASSETS", tmp_path / "assets")
    monkeypatch.chdir(tmp_path)
    download.main(["1", "--mirror", f"{server}/plain"])
    size = f"{len(BODY):,} characters, {len(set(BODY))} distinct"
    command = "python part3/train.py --txt_file assets/1.txt"
    assert capsys.readouterr() == (f"assets/1.txt: {size}; train on it: {command}\n", "")

    (tmp_path / "assets/1.txt").write_text("mine")
    before = REQUESTS.total()
    download.main(["1", "--mirror", f"{server}/plain"])
    assert capsys.readouterr() == ("assets/1.txt is there already\n", "")
    assert (tmp_path / "assets/1.txt").read_text() == "mine" and REQUESTS.total() == before


@pytest.mark.parametrize(
    "words, named",
    [
        ([], "NAME is missing"),
        (["nosuchbook"], "grimm, alice, pride"),
        (["0"], "'0' is not known"),
        (["grimm", "--output", "/no/such/x.txt"], "/no/such"),
        (["grimm", "--output", "/"], "is a folder"),
        (["grimm", "--mirror", "file:///etc"], "begins with http://"),
        (["grimm", "--mirror", "http://"], "begins with http://"),
        (["grimm", "--timeout", "1e300"], "3600"),
    ],
)
def test_bad_input_is_one_line(words, named):
    status, out, err = run("assets/download.py", *words)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err


def test_the_list_names_every_text():
    status, out, err = run("assets/download.py", "--list")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == [*download.BOOKS, "tinyshakespeare"]
    assert "2591" in out and download.SHAKESPEARE in out


def real(name):
    """The bytes of a text that is kept beside the checkout."""
    path = ROOT.parent / "shared/data" / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path.read_bytes()


def test_the_real_grimm_is_stripped():
    whole = real("grimms_fairy_tales.txt")
    text = download.text_of(whole)
    assert text.startswith("Produced by Emma Dudding") and text.endswith("reading ever\nsince.\n")
    assert "Gutenberg" not in text and (len(text), len(set(text))) == (520_793, 80)
    assert download.strip_licence(whole.decode("utf-8-sig").replace("\r\n", "\n")).strip() + "\n" == text


def test_tiny_shakespeare_comes_as_it_is(monkeypatch, tmp_path, capsys):
    whole = real("tinyshakespeare.txt")
    monkeypatch.setattr(download, "fetch", {download.SHAKESPEARE: whole}.get)
    download.main(["tinyshakespeare", "--output", str(tmp_path / "tiny.txt")])
    assert (tmp_path / "tiny.txt").read_bytes() == whole and len(whole) == 1_115_394
    assert "1,115,394 characters, 65 distinct" in capsys.readouterr().out

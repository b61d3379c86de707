"""assets/download.py against a real HTTP server: what comes, what is stripped, and every way it can fail."""

import collections
import http.server
import os
import re
import resource
import signal
import socket
import threading
import time

import pytest

from assets import download
from tests.scripts import call, new_terminal, run, start

BODY = "     THE KEYS, a centred title\n\n" + "It was the old miller’s third son who found the key.\n" * 2_000
START, END = (f"*** {word} OF THE PROJECT GUTENBERG EBOOK KEYS ***" for word in ("START", "END"))
BOOK = f"The Project Gutenberg eBook of Keys\n\nlicence\n\n{START}\n\n\n{BODY}\n\n{END}\n\nmore licence\n"
SMALL_PRINT = "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*"

GOOD = {
    "plain": BOOK,
    "mark and line ends of Windows": "\ufeff" + BOOK.replace("\n", "\r\n"),
    "wrapped title": BOOK.replace("EBOOK KEYS", "EBOOK KEYS,\nAND OTHER TALES"),
    "this, no space": BOOK.replace("OF THE", "OF THIS").replace("*** ", "***"),
    "two footers": BOOK.replace(END, "End of Project Gutenberg's Keys, by Nobody\n\n" + END),
    "German footer": BOOK.replace(END, "Ende dieses Project Gutenberg Etextes Keys"),
    "of the 1990s": BOOK.replace(START, SMALL_PRINT).replace(END, "End of the Project Gutenberg Etext of Keys"),
    "two headers": BOOK.replace(START, f"{START}\n\nlicence\n\n{SMALL_PRINT}"),
    "full licence after it": BOOK + "\n*** START: FULL LICENSE ***\n" + f"{START}\nlicence\n{END}\n",
}
WHOLE = BOOK.encode()
HALF, SIZE = WHOLE[: len(WHOLE) // 2], {"Content-Length": len(WHOLE)}
ANSWERS = {  # of the server, by the first folder of the path; to any other it says not a word
    "plain": (200, SIZE, WHOLE),
    "web page": (200, {}, b"<!DOCTYPE html>" + WHOLE),
    "missing": (404, {}, b""),
    "in a circle": (302, {"Location": "/in_a_circle/cache/epub/1/pg1.txt"}, b""),
    "huge": (200, {"Content-Length": 10**9}, WHOLE),
    "endless": (200, {}, bytes(download.LARGEST + 1)),
    "cut": (200, SIZE, HALF),
    "cut in a chunk": (200, {"Transfer-Encoding": "chunked"}, b"%x\r\n%s\r\n" % (len(HALF), HALF)),
    "hanging": (200, SIZE, HALF),
    "dripping": (200, SIZE, b""),
}
REQUESTS = collections.Counter()
CLOSING = threading.Event()


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, path = re.fullmatch(r"/([^/]+)(/.*)", self.path.replace("_", " ")).groups()
        REQUESTS[kind] += 1
        if path != "/cache/epub/1/pg1.txt" or "Python-urllib" in self.headers["User-Agent"]:
            return self.send_error(403)
        if kind == "cut once":
            kind = "plain" if REQUESTS[kind] > 1 else "cut"
        if kind in ANSWERS:
            status, headers, body = ANSWERS[kind]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
        if kind == "painted":
            self.wfile.write(b"HTTP/1.1 404 \x1b[2Jred\x9b\r\nContent-Length: 0\r\n\r\n")
        if kind in ("silent", "hanging"):
            CLOSING.wait(10)
        while kind in ("dripping", "dripping headers") and not CLOSING.wait(0.05):
            self.wfile.write(b"H")
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
def no_proxy_and_no_requests_yet(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    REQUESTS.clear()


def flags(mirror, folder):
    return ["assets/download.py", "1", "--mirror", mirror.replace(" ", "_"), "--output", folder / "keys.txt"]


def refused(folder, *args, **options):
    """Run the script, which says one line and leaves nothing in the folder; the line."""
    status, out, err = run(*args, **options)
    assert (status, out, err.count("\n")) == (1, "", 1), err
    assert list(folder.iterdir()) == []
    return err


@pytest.mark.parametrize("kind", GOOD)
def test_a_text_is_the_book_without_its_licence(kind):
    assert download.text_of(GOOD[kind].encode()) == BODY


@pytest.mark.parametrize(
    "body, named",
    [
        (BOOK.replace(START, "").encode(), "lines that begin and end"),
        (BOOK.replace(END, "").encode(), "lines that begin and end"),
        (BOOK.replace(BODY, "short").encode(), "it has 6 characters only"),
        (BOOK.replace("’", "é").encode("latin-1"), "it is not UTF-8 at byte"),
    ],
)
def test_what_is_no_book_is_told(body, named):
    with pytest.raises(download.NoBookError, match=named):
        download.text_of(body)


@pytest.mark.parametrize("kind", ["plain", "cut once"])
def test_a_book_comes(server, tmp_path, kind):
    status, out, err = run(*flags(f"{server}/{kind}/", tmp_path))
    assert (status, err, out.count("\n")) == (0, "", 1)
    assert (tmp_path / "keys.txt").read_bytes().decode() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["keys.txt"]


@pytest.mark.parametrize(
    "kind, named, tries",
    [
        ("web page", "it is a web page", 1),
        ("missing", "the server answers 404 Not Found", 1),
        ("in a circle", "the server answers 302", None),
        ("huge", "it is larger than 50,000,000 bytes", 1),
        ("endless", "it is larger than 50,000,000 bytes", 1),
        *((kind, "cut off, 3 times", 3) for kind in ("cut", "cut in a chunk", "closed")),
        *((kind, "no answer within 0.2 seconds, 3 times", 3) for kind in ("silent", "hanging")),
    ],
)
def test_what_fails_leaves_nothing_and_only_a_cut_connection_is_tried_again(server, tmp_path, kind, named, tries):
    patience = ["--timeout", 0.2] * (kind in ("silent", "hanging"))
    err = refused(tmp_path, *flags(f"{server}/{kind}", tmp_path), *patience)
    assert named in err and "/cache/epub/1/pg1.txt" in err and tries in (REQUESTS[kind], None)


@pytest.mark.parametrize("kind", ["dripping", "dripping headers"])
def test_a_server_that_drips_is_left_after_the_time_in_all(server, tmp_path, kind):
    """A byte comes every 0.05 seconds: never silent for the half second of --timeout."""
    began = time.monotonic()
    err = refused(tmp_path, *flags(f"{server}/{kind}", tmp_path), "--timeout", 0.5, "--total_timeout", 1, timeout=60)
    assert "did not come whole within 1 seconds" in err and time.monotonic() - began < 20


def test_what_a_server_says_is_shown_escaped(server, tmp_path):
    err = refused(tmp_path, *flags(f"{server}/painted", tmp_path))
    assert r"404 \x1b[2Jred\x9b;" in err


def test_no_network_is_one_line(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    for mirror, named in ((nobody, "no connection (Connection refused)"), ("http://no-such-host.invalid", "no conn")):
        err = refused(tmp_path, *flags(mirror, tmp_path))
        assert named in err and mirror in err


def test_a_full_disk_and_a_file_that_cannot_be_written_are_one_line(server, tmp_path):
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    plain = flags(f"{server}/plain", tmp_path)
    err = refused(tmp_path, *plain, preexec_fn=full)
    assert str(tmp_path / "keys.txt") in err and "bytes are free" in err and "http" not in err
    assert "File name too long" in refused(tmp_path, *plain[:-1], tmp_path / ("x" * 300))


def test_ctrl_c_is_silent_and_leaves_nothing(server, tmp_path):
    process = start(*flags(f"{server}/silent", tmp_path), fresh=True)
    while not REQUESTS["silent"]:  # then it waits for the answer
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert (*process.communicate(timeout=10), process.returncode) == ("", "", 130)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_it_is_written_comes_too_late(server, tmp_path, monkeypatch):
    def write(path, text):
        os.kill(os.getpid(), signal.SIGINT)
        path.write_text(text)

    monkeypatch.setattr(download, "write_atomically", write)
    download.main(list(map(str, flags(f"{server}/plain", tmp_path)[1:])))
    assert (tmp_path / "keys.txt").read_text() == BODY


def test_a_bar_on_a_terminal(server, tmp_path):
    terminal, child = new_terminal()
    status, _, _ = run(*flags(f"{server}/plain", tmp_path), stderr=child)
    os.close(child)  # or without a bar the next line would wait for ever
    assert status == 0 and b"B/s]" in os.read(terminal, 10_000)
    os.close(terminal)


def test_what_it_says_at_the_end_and_that_a_file_is_left_alone(server, tmp_path, monkeypatch, capsys):
    (tmp_path / "assets").mkdir()
    monkeypatch.setattr(download, "ASSETS", tmp_path / "assets")
    monkeypatch.chdir(tmp_path)
    size = f"{len(BODY):,} characters, {len(set(BODY))} distinct"
    said = f"assets/1.txt: {size}; train on it: python part3/train.py --txt_file assets/1.txt\n"
    assert call(download.main, "1", "--mirror", f"{server}/plain", capsys=capsys) == (0, said, "")

    (tmp_path / "assets/1.txt").write_text("mine")
    said = "assets/1.txt is there already\n"
    assert call(download.main, "1", "--mirror", f"{server}/plain", capsys=capsys) == (0, said, "")
    assert (tmp_path / "assets/1.txt").read_text() == "mine" and REQUESTS.total() == 1


@pytest.mark.parametrize(
    "words, named",
    [
        ("", "NAME is missing"),
        ("nosuchbook", "grimm, alice, pride"),
        ("0", "'0' is not known"),
        ("grimm --output /no/such/x.txt", "/no/such"),
        ("grimm --output /", "is a folder"),
        ("grimm --mirror file:///etc", "begins with http://"),
        ("grimm --mirror http://", "begins with http://"),
        ("grimm --timeout 1e300", "3600"),
    ],
)
def test_bad_input_is_one_line(words, named, capsys):
    status, out, err = call(download.main, *words.split(), capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err


def test_the_list_names_every_text(capsys):
    status, out, err = call(download.main, "--list", capsys=capsys)
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == [*download.BOOKS, "tinyshakespeare"]
    assert "2591" in out and download.SHAKESPEARE in out


def test_tiny_shakespeare_comes_as_it_is(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(download, "fetch", lambda url, *_: {download.SHAKESPEARE: WHOLE}[url])
    assert call(download.main, "tinyshakespeare", "--output", tmp_path / "tiny.txt", capsys=capsys)[0] == 0
    assert (tmp_path / "tiny.txt").read_bytes() == WHOLE

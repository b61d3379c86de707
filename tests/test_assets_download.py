"""assets/download.py against a real HTTP server: what comes, what is stripped, and every way it can fail."""

import collections
import http.server
import resource
import socket
import threading

import pytest

from tests.scripts import ROOT, run

BODY = "It was the old miller's third son who found the key.\n" * 40
HEAD = "The Project Gutenberg eBook of Keys\r\nlicence\r\n\r\n*** START OF THE PROJECT GUTENBERG EBOOK KEYS ***\r\n\r\n"
TAIL = "\r\n\r\n*** END OF THE PROJECT GUTENBERG EBOOK KEYS ***\r\nmore licence\r\n"

REQUESTS = collections.Counter()  # of each number


class Server(http.server.BaseHTTPRequestHandler):
    """Answers by the book's number."""

    def do_GET(self):
        number = self.path.removeprefix("/cache/epub/").split("/")[0]
        REQUESTS[number] += 1
        wrapped = HEAD.replace("EBOOK KEYS", "EBOOK KEYS,\r\nAND OTHER TALES")
        old = "End of Project Gutenberg's Keys, by Nobody\r\n\r\n" + TAIL
        bodies = {
            "1": (HEAD + BODY.replace("\n", "\r\n") + TAIL).encode("utf-8-sig"),
            "2": (wrapped + BODY + old).encode(),
            "3": b"<!DOCTYPE html><html><body>Please say that you are no robot.</body></html>" * 100,
            "4": BODY.encode(),
            "5": (HEAD + BODY + "\xe9" + TAIL).encode("latin-1"),
            "6": (HEAD + "short" + TAIL).encode(),
            "7": (HEAD + BODY + TAIL).encode(),
            "8": (HEAD + BODY + TAIL).encode(),
        }
        if number not in bodies:
            return self.send_error(404)
        body = bodies[number]
        cut = number == "7" or (number == "8" and REQUESTS[number] == 1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def mirror():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def download(name, mirror, output, *flags, **popen):
    return run("assets/download.py", name, "--mirror", mirror, "--output", output, *flags, **popen)


@pytest.mark.parametrize("number", ["1", "2", "8"])  # plain; wrapped title and old-style footer; cut off once
def test_a_book_comes_without_its_licence(mirror, tmp_path, number):
    status, out, err = download(number, mirror, tmp_path / "keys.txt")
    assert (status, err) == (0, "")
    assert (tmp_path / "keys.txt").read_bytes().decode() == BODY
    assert f"{len(BODY)} characters" in out and "part3/train.py --txt_file" in out


@pytest.mark.parametrize(
    "number, named",
    [
        ("404", "404"),
        ("3", "a web page"),
        ("4", "lines that begin and end"),
        ("5", "not UTF-8 at byte"),
        ("6", "6 characters only"),
        ("7", "cut off, 3 times"),
    ],
)
def test_what_is_no_book_leaves_nothing_behind(mirror, tmp_path, number, named):
    status, out, err = download(number, mirror, tmp_path / "keys.txt")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert named in err and f"pg{number}.txt" in err
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_one_line(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{free.getsockname()[1]}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for mirror, named in (
            (refused, "refused"),
            ("http://no-such-host.invalid", "no connection"),
            (hanging, "0.2 s"),
        ):
            status, out, err = download("1", mirror, tmp_path / "keys.txt", "--timeout", 0.2)
            assert (status, out, err.count("\n")) == (1, "", 1) and named in err
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(mirror, tmp_path):
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    status, _, err = download("1", mirror, tmp_path / "keys.txt", preexec_fn=full)
    assert status == 1 and err.count("\n") == 1 and "keys.txt" in err
    assert list(tmp_path.iterdir()) == []


def test_a_book_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "keys.txt").write_text("mine")
    status, out, _ = download("grimm", "http://no-such-host.invalid", tmp_path / "keys.txt")
    assert status == 0 and "there already" in out and (tmp_path / "keys.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "flags, named",
    [(["nosuchbook"], "tinyshakespeare"), (["grimm", "--output", "/no/such/x.txt"], "/no/such"), ([], "name")],
)
def test_bad_input_is_one_line(flags, named):
    status, out, err = run("assets/download.py", *flags)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err


def test_the_real_grimm_is_stripped(tmp_path):
    book = ROOT.parent / "shared/data/grimms_fairy_tales.txt"
    if not book.exists():
        pytest.skip("Project Gutenberg's Grimm is not at hand")

    class Grimm(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()  # without Content-Length, as some mirrors answer
            self.wfile.write(book.read_bytes())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Grimm)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    status, _, err = download("grimm", f"http://127.0.0.1:{server.server_port}", tmp_path / "grimm.txt")
    server.shutdown()
    text = (tmp_path / "grimm.txt").read_text()
    assert status == 0, err
    assert "GRIMM" in text[:300].upper() and "Gutenberg" not in text and 500_000 < len(text) < 525_000

"""Fetch a well-known text for part 3: a book of Project Gutenberg's, without its licence, or Tiny Shakespeare.

python assets/download.py grimm
"""

import http.client
import os
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

if not __package__:  # run as `python assets/download.py`: import from the checkout, not from assets/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.arguments import Parser, flag_words, number_between
from common.files import write_atomically
from common.printing import Bar, command_line, visible

ASSETS = Path(__file__).resolve().parent
BOOKS = {
    "grimm": (2591, "Jacob and Wilhelm Grimm, Fairy Tales"),
    "alice": (11, "Lewis Carroll, Alice's Adventures in Wonderland"),
    "pride": (1342, "Jane Austen, Pride and Prejudice"),
    "sherlock": (1661, "Arthur Conan Doyle, The Adventures of Sherlock Holmes"),
    "frankenstein": (84, "Mary Shelley, Frankenstein"),
    "verwandlung": (22367, "Franz Kafka, Die Verwandlung, in German"),
    "candide": (4650, "Voltaire, Candide, in French"),
}
SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
NAMES = ", ".join([*BOOKS, "tinyshakespeare"])
LARGEST, SHORTEST = 50_000_000, 1_000  # bytes, characters
TRIES, PAUSE = 3, 0.5  # of a connection that is cut off or hangs, seconds between
CUT_OFF = (http.client.IncompleteRead, ConnectionResetError, TimeoutError)
BEGIN = re.compile(  # the second form is of the 1990s; a long title takes two lines
    r"(?im)^\*{3}\s*START OF TH(?:E|IS) PROJECT GUTENBERG E(?:BOOK|TEXT)(?s:.{0,300}?)\*\*\*"
    r"|^\*END\*? ?THE SMALL PRINT!.*\*END\*"
)
END = re.compile(r"(?im)^(?:\*{3}\s*END OF TH(?:E|IS) PROJECT GUTENBERG|(?:End|Ende|Fin)\b.{0,20}\bProject Gutenberg)")


class NoBookError(ValueError):
    """What came is not the book; the message is one line that says why."""


def strip_licence(text):
    """The book between Project Gutenberg's header and footer. Raises NoBookError if there is no header or footer."""
    first = BEGIN.search(text)
    end = first and END.search(text, first.end())
    if not end:
        raise NoBookError("the lines that begin and end a Project Gutenberg book are not there")
    *_, begin = BEGIN.finditer(text, 0, end.start())  # a header of the 1990s may have stayed below the new one
    return text[begin.end() : end.start()]


def text_of(body, of_gutenberg=True):
    """The text that the bytes hold: newlines as \\n, no blank lines around it, no licence. Raises NoBookError."""
    try:
        text = body.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise NoBookError(f"it is not UTF-8 at byte {error.start}") from error
    if text.lstrip().startswith("<"):
        raise NoBookError("it is a web page, not a text")
    text = strip_licence(text) if of_gutenberg else text
    text = re.sub(r"\A(?:[^\S\n]*\n)+", "", text).rstrip() + "\n"  # a centred first line stays centred
    if len(text) < SHORTEST:
        raise NoBookError(f"it has {len(text)} characters only")
    return text


def fetch(url, timeout):
    """The bytes at a URL, with a bar on a terminal; three tries if it is cut off, or silent for `timeout` seconds.

    Raises OSError or http.client.HTTPException if nothing whole comes, NoBookError if it is larger than any book.
    """
    for _ in range(TRIES - 1):
        try:
            return _fetch_once(url, timeout)
        except CUT_OFF:
            time.sleep(PAUSE)
    return _fetch_once(url, timeout)


def _fetch_once(url, timeout):
    request = urllib.request.Request(url, headers={"User-Agent": "recurrent-networks-from-first-principles/1.0"})
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.URLError as error:  # what it wraps says more: a timeout, an unknown host
        raise (error.reason if isinstance(error.reason, OSError) else error) from None
    body, length = bytearray(), int(response.headers.get("Content-Length", 0))  # 0: the server does not say
    with response, Bar(total=length or None, unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
        while part := response.read(2**16):
            body += part
            bar.update(len(part))
            if max(len(body), length) > LARGEST:
                raise NoBookError(f"it is larger than {LARGEST:,} bytes")
    if len(body) < length:  # a response that is read in parts does not notice
        raise http.client.IncompleteRead(b"", length - len(body))
    return bytes(body)


def reason(error, timeout):
    """Why nothing came."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {visible(error.reason)}"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} seconds, {TRIES} times"
    if isinstance(error, CUT_OFF):
        return f"the connection was cut off, {TRIES} times"
    return f"no connection ({error.strerror or visible(str(error))})" if isinstance(error, OSError) else repr(error)


def main(argv=None):
    parser, seconds = Parser(__doc__), number_between(0, 3600, include_high=True)
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"{NAMES}; or the number of any book of Gutenberg's")
    parser.add_argument("--output", metavar="FILE", help="file to write; none: assets/NAME.txt")
    parser.add_argument(
        "--mirror", default="https://www.gutenberg.org", metavar="URL", help="address of Project Gutenberg"
    )
    parser.add_argument("--timeout", type=seconds, default=30.0, help="seconds of silence, then it fails")
    total = f"seconds in all, then it fails; so it does at {LARGEST:,} bytes"
    parser.add_argument("--total_timeout", type=seconds, default=600.0, help=total)
    parser.add_argument("--list", action="store_true", help="say what the names stand for, fetch nothing")
    config = parser.parse_args(argv)
    if config.list:
        for name, (number, title) in {**BOOKS, "tinyshakespeare": ("", SHAKESPEARE)}.items():
            print(f"{name:<15}  {number:>5}  {title}")
        return
    of_gutenberg = config.name != "tinyshakespeare"
    number, _ = BOOKS.get(config.name, (config.name, None))
    if of_gutenberg and not re.fullmatch("[1-9][0-9]{0,5}", str(number)):
        given = "NAME is missing" if config.name is None else f"{config.name!r} is not known"
        parser.error(f"{given}: give one of {NAMES}, or the number of a Project Gutenberg book")
    if not re.fullmatch(r"https?://[!-.0-~][!-~]*", config.mirror):
        parser.error(f"--mirror {config.mirror!r} is not an address that begins with http:// or https://")
    output = Path(config.output or os.path.relpath(ASSETS / f"{config.name}.txt"))
    if os.path.isdir(output):  # not output.is_dir(), which raises for a name too long
        parser.error(f"--output {output} is a folder: give a file")
    if not os.path.isdir(output.parent):
        parser.error(f"--output {output}: there is no such folder")
    if os.path.exists(output):
        print(f"{output} is there already")
        return

    url = f"{config.mirror.rstrip('/')}/cache/epub/{number}/pg{number}.txt" if of_gutenberg else SHAKESPEARE

    def give_up():
        print(f"{url} did not come whole within {config.total_timeout:g} seconds; nothing was written", file=sys.stderr)
        os._exit(1)

    timer = threading.Timer(config.total_timeout, give_up)  # a server may drip for hours
    timer.daemon = True
    timer.start()
    with parser.printing():
        try:
            text = text_of(fetch(url, config.timeout), of_gutenberg)
        except ValueError as error:
            sys.exit(f"{url} is no book: {error}; nothing was written")
        except (OSError, http.client.HTTPException) as error:
            sys.exit(f"{url}: {' '.join(reason(error, config.timeout).split())}; nothing was written")
        finally:
            timer.cancel()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # too late for Ctrl-C: it would leave a half-written file behind
    try:
        write_atomically(output, text)
    except OSError as error:
        sys.exit(f"{error}; nothing was written")
    train = command_line(["python", "part3/train.py", *flag_words("txt_file", output)])
    print(f"{output}: {len(text):,} characters, {len(set(text))} distinct; train on it: {train}")


if __name__ == "__main__":
    main()

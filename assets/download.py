"""Fetch a well-known book for part 3 from Project Gutenberg.

python assets/download.py grimm
"""

import http.client
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

if not __package__:  # run as `python assets/download.py`: import from the checkout, not from assets/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tqdm import tqdm

from common.arguments import Parser, positive_number
from common.files import write_atomically

ASSETS = Path(__file__).resolve().parent
BOOKS = {
    "grimm": (2591, "Grimms' Fairy Tales, in English"),
    "alice": (11, "Lewis Carroll, Alice's Adventures in Wonderland"),
    "pride": (1342, "Jane Austen, Pride and Prejudice"),
    "sherlock": (1661, "Arthur Conan Doyle, The Adventures of Sherlock Holmes"),
    "frankenstein": (84, "Mary Shelley, Frankenstein"),
    "verwandlung": (22367, "Franz Kafka, Die Verwandlung, in German"),
    "candide": (4650, "Voltaire, Candide, in French"),
}
# No book of Gutenberg's, so nothing to strip: the text by which character models are compared.
SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
LARGEST, SHORTEST = 50_000_000, 1_000  # bytes, characters
TRIES, PAUSE = 3, 1.0  # of a connection that is cut off, seconds between
BEGIN = re.compile(r"\*\*\*\s*START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.*?\*\*\*", re.DOTALL)
END = re.compile(r"^(?:\*\*\*\s*END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the )?Project Gutenberg)", re.MULTILINE)


class NoBookError(ValueError):
    """What came is not the book; the message is one line that says why."""


def strip_licence(text):
    """The book between Project Gutenberg's header and footer. Raises NoBookError if there is no header or footer."""
    begin = BEGIN.search(text)
    end = END.search(text, begin.end()) if begin else None
    if not end:
        raise NoBookError("the lines that begin and end a Project Gutenberg book are not there")
    return text[begin.end() : end.start()]


def fetch(url, timeout):
    """The bytes at a URL, with a bar on a terminal.

    A connection that is cut off or hangs for `timeout` seconds is tried anew. Raises OSError (URLError and HTTPError
    are such) or http.client.HTTPException if it does not come, NoBookError if it is larger than any book.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "character-model-course/1.0"})
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return _read(response)
        except (http.client.IncompleteRead, ConnectionError, TimeoutError):
            if attempt == TRIES:
                raise
            time.sleep(PAUSE)


def _read(response):
    length = response.headers.get("Content-Length")
    body = bytearray()
    with tqdm(total=length and int(length), unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
        while part := response.read(2**16):
            body += part
            bar.update(len(part))
            if len(body) > LARGEST:
                raise NoBookError(f"it is longer than {LARGEST:,} bytes")
    if length and len(body) < int(length):  # reading in parts does not notice
        raise http.client.IncompleteRead(bytes(body), int(length) - len(body))
    return bytes(body)


def text_of(body, of_gutenberg):
    """The book as text, from the bytes that came; raises NoBookError if they are none."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoBookError(f"it is not UTF-8 at byte {error.start}") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip()[:200].lower().startswith(("<!doctype", "<html", "<?xml")):
        raise NoBookError("it is a web page, not a text")
    if of_gutenberg:
        text = strip_licence(text).strip() + "\n"
    if len(text) < SHORTEST:
        raise NoBookError(f"it has {len(text)} characters only")
    return text


def reason(error, timeout):
    """One line that says why nothing came."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, http.client.IncompleteRead):
        return f"the connection was cut off, {TRIES} times; {len(error.partial):,} bytes had come"
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return f"the server did not answer within {timeout:g} seconds, {TRIES} times"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({getattr(error.reason, 'strerror', None) or error.reason})"
    return str(error) or type(error).__name__


def build_parser():
    parser = Parser(__doc__.split("\n")[0])
    names = "; ".join(f"{name}: {title} ({number})" for name, (number, title) in BOOKS.items())
    parser.add_argument("name", help=f"{names}; tinyshakespeare; or the number of any other book")
    parser.add_argument("--output", metavar="FILE", help="where to; none: assets/NAME.txt")
    parser.add_argument("--mirror", default="https://www.gutenberg.org", help="Project Gutenberg or a mirror of it")
    parser.add_argument("--timeout", type=positive_number, default=30.0, help="seconds to wait for an answer")
    return parser


def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    number, _ = BOOKS.get(config.name, (config.name, None))
    of_gutenberg = config.name != "tinyshakespeare"
    if of_gutenberg and not re.fullmatch("[0-9]{1,6}", str(number)):
        names = ", ".join([*BOOKS, "tinyshakespeare"])
        parser.error(f"{config.name!r} is not one of {names}, nor the number of a Project Gutenberg book")
    output = Path(config.output) if config.output else ASSETS / f"{config.name}.txt"
    if output.exists():
        print(f"{output} is there already")
        return
    if not output.parent.is_dir():
        parser.error(f"--output {output}: there is no such folder")

    url = f"{config.mirror.rstrip('/')}/cache/epub/{number}/pg{number}.txt" if of_gutenberg else SHAKESPEARE
    try:
        text = text_of(fetch(url, config.timeout), of_gutenberg)
        write_atomically(output, text)
    except KeyboardInterrupt:
        sys.exit(130)
    except NoBookError as error:
        sys.exit(f"{url} is no book: {error}; nothing was written")
    except (OSError, http.client.HTTPException, ValueError) as error:
        sys.exit(f"{url}: {reason(error, config.timeout)}; nothing was written")
    print(f"{output}: {len(text)} characters, {len(set(text))} distinct; train on it with:")
    print(f"python part3/train.py --txt_file {output}")


if __name__ == "__main__":
    main()

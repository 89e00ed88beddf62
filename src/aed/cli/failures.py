"""Print expected failures as one sentence on standard error, and set the exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aed.cli.language import either, in_own_language
from aed.errors import AedError, DatabaseUnavailable


@contextmanager
def exit_on_failure() -> Iterator[None]:
    """Print an expected failure as one sentence, and exit with status 1."""
    try:
        yield
    except DatabaseUnavailable as error:
        cause = _database_message(error.__cause__)
        detail = in_own_language(error)
        _fail(f"{detail} ({cause})" if cause else detail)
    except AedError as error:
        _fail(in_own_language(error))
    except UnicodeEncodeError:
        _fail(either("the input contains characters that are not valid text.", "输入包含无效字符。"))
    except OSError as error:
        _fail(f"{error.filename or either('a file', '文件')}: {error.strerror or error}.")
    except KeyboardInterrupt:
        sys.stderr.write(either("aed: stopped\n", "aed：已停止\n"))
        sys.exit(130)
    except Exception as error:  # naming DBAPIError here would load SQLAlchemy; others are raised again
        message = _database_message(error)
        if message is None:
            raise
        _fail(either(f"the database rejected the operation: {message}", f"数据库拒绝了操作：{message}"))


def _database_message(error: BaseException | None) -> str | None:
    """Return the first line of a database driver's message, or None for other errors."""
    from sqlalchemy.exc import DBAPIError  # imported here so that `aed --help` does not load it

    if not isinstance(error, DBAPIError):
        return None
    return next(iter(str(error.orig).strip().splitlines()), error.orig.__class__.__name__)


def _fail(sentence: str) -> None:
    sys.stderr.write(f"aed: {sentence}\n")
    sys.exit(1)

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import reprlib
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import SimpleNamespace

import pytest

from pytest_sipfront.clients.http import Basic, Bearer
from pytest_sipfront.plugin.credentials import KeyPair
from pytest_sipfront.plugin.targets import SipfrontTarget
from pytest_sipfront.secret import Secret

VALUE = "sentinel-51c0ffee"
SECRET = Secret(VALUE)


@dataclass
class Holder:
    secret: Secret


def _logged(secret: Secret) -> str:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "key %s %r", (secret, secret), None)
    return logging.Formatter("%(message)s").format(record)


def _traced(secret: Secret) -> str:
    try:
        raise ValueError(secret)  # noqa: TRY301
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r}",
        lambda secret: f"{secret:>40}",
        lambda secret: f"{secret=}",
        lambda secret: "%s" % secret,  # noqa: UP031
        lambda secret: "%r" % (secret,),  # noqa: UP031
        "{0} {0!r}".format,
        lambda secret: repr([secret, {"key": secret}, (secret,)]),
        lambda secret: repr(Holder(secret)),
        lambda secret: repr(SimpleNamespace(secret=secret)),
        lambda secret: repr(Basic(secret, secret)),
        lambda secret: repr(Bearer(secret)),
        lambda secret: repr(SipfrontTarget(base_url="", public_key=secret, secret_key=secret)),
        lambda secret: repr(KeyPair(public_key=secret, secret_key=secret, source="")),
        lambda secret: repr(secret.reveal),
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: pprint.pformat(Holder(secret)),
        reprlib.repr,
        _logged,
        _traced,
    ],
)
def test_no_representation_contains_the_value(show: Callable[[Secret], str]) -> None:
    """Strings, containers, dataclasses, logs and tracebacks with locals show a placeholder."""
    text = show(SECRET)
    assert VALUE not in text
    assert "secret" in text.lower()


@pytest.mark.parametrize(
    "take",
    [
        pickle.dumps,
        lambda secret: pickle.dumps(secret, 0),
        lambda secret: pickle.dumps(Holder(secret)),
        copy.copy,
        copy.deepcopy,
        lambda secret: asdict(Holder(secret)),
        vars,
        json.dumps,
        list,
        lambda secret: "" + secret,
    ],
)
def test_the_value_cannot_be_copied_or_serialised(take: Callable[[Secret], object]) -> None:
    """Pickles end up in other processes and caches, and `vars` in dumps."""
    with pytest.raises(TypeError) as caught:
        take(SECRET)
    assert VALUE not in str(caught.value)


def test_reveal_returns_the_value() -> None:
    """Only the code that builds the request header calls it."""
    assert SECRET.reveal() == VALUE


def test_secrets_are_equal_to_secrets_only() -> None:
    """A comparison with a string could leak the value in an assertion message."""
    assert Secret(VALUE) == SECRET
    assert hash(Secret(VALUE)) == hash(SECRET)
    assert Secret("other") != SECRET
    assert SECRET != VALUE


def test_an_empty_secret_is_false() -> None:
    """Callers can check whether a credential is set."""
    assert SECRET
    assert not Secret("")


def test_scrub_replaces_every_occurrence() -> None:
    """A server may echo a credential several times."""
    assert SECRET.scrub(f"{VALUE} and {VALUE}") == "[secret] and [secret]"
    assert Secret("").scrub("as it was") == "as it was"


def test_a_failed_assertion_does_not_show_the_value(pytester: pytest.Pytester) -> None:
    """pytest explains comparisons, and shows locals with `-l`."""
    pytester.makepyfile(
        """
        from dataclasses import dataclass
        from pytest_sipfront.secret import Secret

        @dataclass
        class Holder:
            key: Secret

        def make(text):
            return Secret("-".join(text))

        LEFT, RIGHT = make(["sentinel", "51c0ffee"]), make(["sentinel", "other"])

        def test_compare():
            local = LEFT
            assert local == RIGHT

        def test_compare_containers():
            assert [LEFT, {"key": LEFT}] == [RIGHT, {"key": RIGHT}]

        def test_compare_dataclasses():
            assert Holder(LEFT) == Holder(RIGHT)

        def test_compare_with_a_text():
            assert LEFT == "other"

        def test_contains():
            assert LEFT in [RIGHT]
        """
    )
    result = pytester.runpytest_inprocess("-vv", "-l", "--tb=long", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=5)
    assert VALUE not in result.stdout.str()
    assert "[secret]" in result.stdout.str()

"""The name that a mistyped one was to be, where several are near."""

import pytest

from machineadm.nearest import suggest


@pytest.mark.parametrize(
    ("word", "choices", "meant"),
    [
        ("hostnam", ("hostname", "hostnameFrom"), "hostname"),
        ("provderID", ("providerID", "providerIDFrom"), "providerID"),
        ("contentt", ("content", "contentFrom"), "content"),
        # Nothing has slipped, so the beginning of one is all there is.
        ("hostn", ("hostname", "nodeName"), "hostname"),
        ("worker", ("Initialize", "JoinWorker"), "JoinWorker"),
    ],
)
def test_a_slip_of_a_letter_is_nearer_than_the_beginning_of_a_longer_name(
    word: str, choices: tuple[str, ...], meant: str
) -> None:
    assert suggest(word, choices) == meant
    assert suggest(word, choices[::-1]) == meant

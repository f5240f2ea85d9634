"""What every store has to keep, whoever serves it."""

from signing.publish.stores import Held, Item, Store

ONE = Item(b"one\n", "text/plain; charset=utf-8", "public, no-cache, max-age=0")
TWO = ONE._replace(data=b"two\0\xff" * 9999)


def broken(store: Store) -> list[str]:
    """The promises that a store without anything below `p/` does not keep."""
    wrong = []

    def expect(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            wrong.append(f"{what}: {found!r:.99}, not {wanted!r:.99}")

    def data(held: Held | None) -> bytes | None:
        return None if held is None else held.data

    expect("nothing is listed", store.list("p/"), frozenset())
    expect("nothing is read", store.read("p/a/x.json"), None)
    expect("nothing can be replaced", store.replace("p/a/x.json", ONE, store.stale_mark), False)
    expect("a failed replacement makes nothing", store.read("p/a/x.json"), None)
    expect("a free name is written", store.create("p/a/x.json", ONE), True)
    expect("a taken name is not written", store.create("p/a/x.json", TWO), False)
    held = store.read("p/a/x.json")
    expect("it has its first content", data(held), ONE.data)
    expect("a mark that nothing has", store.replace("p/a/x.json", TWO, store.stale_mark), False)
    if held is None:
        return wrong
    expect("the right mark", store.replace("p/a/x.json", TWO, held.mark), True)
    expect("a mark that is past", store.replace("p/a/x.json", ONE, held.mark), False)
    expect("binary content comes back", data(store.read("p/a/x.json")), TWO.data)
    expect("a name may begin another", store.create("p/a/x.json.sig", ONE), True)
    expect("a list is by prefix", store.list("p/a/x.json."), frozenset({"p/a/x.json.sig"}))
    expect("and goes down", store.list("p/"), frozenset({"p/a/x.json", "p/a/x.json.sig"}))
    return wrong

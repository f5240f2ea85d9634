"""A stream of documents: each that can be converted is, and each that cannot is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.conversion import checking, kubeadm_config, kubeadm_own, node_config, placeholders
from machineadm.conversion.account import Account, Leaf, View, merged
from machineadm.conversion.fields import Role, Setting, put
from machineadm.conversion.halves import HalvesDifferError
from machineadm.conversion.texts import Machine
from machineadm.conversion.writing import write
from machineadm.documents.decoding import decode_node, read_documents
from machineadm.documents.limits import Budget
from machineadm.documents.model import Document, Problem, problem_at
from machineadm.documents.nodes import Mapping, Node, Scalar, as_kubernetes, child
from machineadm.documents.nodes import Sequence as List
from machineadm.documents.splitting import parts

Target = Literal["MachineBootstrap", "MachineBootstrapTemplate", "MachineConfiguration"]
TARGETS: Final[tuple[Target, ...]] = (
    "MachineBootstrap",
    "MachineBootstrapTemplate",
    "MachineConfiguration",
)
V1ALPHA1: Final = "bootstrap.cluster.x-k8s.io/v1alpha1"

_CAPI: Final = r"(bootstrap|controlplane)\.cluster\.x-k8s\.io/(v1alpha[34]|v1beta[12])"
# A control plane makes many machines of one spec, so it is a template as well.
_TEMPLATES: Final = ("KubeadmConfigTemplate", "KubeadmControlPlane", "KubeadmControlPlaneTemplate")
SPECS: Final = {
    "KubeadmConfig": "spec",
    "KubeadmConfigTemplate": "spec.template.spec",
    "KubeadmControlPlane": "spec.kubeadmConfigSpec",
    "KubeadmControlPlaneTemplate": "spec.template.spec.kubeadmConfigSpec",
}
"""Where the KubeadmConfigSpec of a kind stands."""
_KUBEADM: Final = r"kubeadm\.k8s\.io/v1beta[234]"
_CONTROL_PLANE: Final = "belongs to the KubeadmControlPlane, which looks after machines; it says nothing of what is on them"
_SERVER: Final = "the API server sets it"
# Or anything with a placeholder in it.
_NAME: Final = rf"{checking.NAME}|.*\$\{{.*"
_FILLED_IN: Final = r"\(\$|\{\{"
"""What Chainsaw and Helm fill in."""

# The rest of metadata is the API server's.
_KEPT: Final = ("name", "namespace", "labels", "annotations")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    to: Target | None = None
    """The kind that is written; None: by the kind that is read."""

    role: Role | None = None
    discovery: dict[str, Any] = {}
    """What a joining machine needs of its role: a discovery, or a map with `discovery` and more."""

    version: str | None = None
    """The version of Kubernetes, if no document says it."""

    values: dict[str, str] = {}
    """Values of placeholders."""

    filled_in: bool = False
    """It was read from a cluster: whatever looks like a placeholder is there to stay."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One document that was converted."""

    file: str
    document: int
    kind: str
    name: str
    to: str
    text: str = msgspec.field(default="")
    """Ours, as YAML."""

    leaves: tuple[Leaf, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def decisions(self) -> tuple[Leaf, ...]:
        """What a person has to decide."""
        return tuple(leaf for leaf in self.leaves if leaf.outcome == "needs a decision")


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is not converted, and why."""

    file: str
    document: int
    kind: str
    note: str


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a stream."""

    results: tuple[Result, ...]
    skipped: tuple[Skipped, ...]
    problems: tuple[Problem, ...]
    """If there are any, the stream is refused."""


def convert(inputs: Iterable[tuple[str, bytes]], request: Request) -> Conversion:
    """Convert a stream.

    Args:
        inputs: Name and bytes of each input, in order.
        request: What is asked for.
    """
    # One for the stream, as everywhere: many inputs are no way around it.
    budget = Budget()
    documents = [
        one
        for name, data in inputs
        for one in read_documents(_filled(data, request.values), file=name, budget=budget)
    ]
    problems = [problem for one in documents for problem in one.problems]
    # The reading keeps both, since these are not our kinds; the API server would have kept the
    # last, and a person reads the first.
    problems += [problem for one in documents for problem in _duplicates(one)]
    if not documents and not problems:
        problems = [_EMPTY]
    if problems:
        return Conversion(results=(), skipped=(), problems=tuple(problems))
    written = {id(one) for one in documents}
    # All documents first: the version may stand in a Machine at the end of the stream.
    documents = [item for document in documents for item in _items(document)]
    around = _Around(documents, request)
    results: list[Result] = []
    skipped: list[Skipped] = []
    own: list[Document] = []
    for document in documents:
        if re.fullmatch(_CAPI, document.api_version) and document.kind in SPECS:
            results += _guarded(document, problems, partial(_capi, document, around))
        # Gathered first: kubeadm reads its documents together, in any order.
        elif _is_kubeadm(document):
            own.append(document)
        elif document.api_version.startswith("node.eks.aws/") and document.kind == "NodeConfig":
            results += _guarded(document, problems, partial(_node_config, document, around))
        elif document.api_version == V1ALPHA1:
            ours = partial(_ours, document, alone=id(document) in written)
            results += _guarded(document, problems, ours)
        else:
            skipped.append(_skipped(document, problems))
    for group in kubeadm_own.groups(own):
        results += _guarded(group[0], problems, partial(_kubeadm, group, around))
    if not results and not problems:
        problems.append(problem_at(documents[0], _NOTHING))
    if problems:
        return Conversion(results=(), skipped=(), problems=tuple(problems))
    return Conversion(results=tuple(results), skipped=tuple(skipped), problems=())


class RefusedError(Exception):
    """A document cannot be converted as it was asked for.

    Args:
        finding: Why, by the document's own path.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def _guarded(
    document: Document, problems: list[Problem], work: Callable[[], Result]
) -> Iterator[Result]:
    try:
        yield work()
    except RefusedError as refused:
        # Collected: the other documents may have problems as well.
        problems.append(problem_at(document, refused.finding))


class _Around:
    """What the other documents of the stream say."""

    def __init__(self, documents: Sequence[Document], request: Request) -> None:
        self.request = request
        self._versions: dict[tuple[str, str], str] = {}
        self._secrets: dict[tuple[str, str], str] = {}
        for document in documents:
            if document.root is None:
                continue
            view = View(document.root, "", Account(document.root, document.source))
            if document.kind == "Secret" and document.api_version == "v1":
                # Only from the stream: nothing is asked of a cluster, so the same input gives the
                # same output.
                self._secret(view)
            # Of a MachineDeployment, or of a Machine: the object that refers to a configuration has
            # the version.
            for where in ("spec.template.spec", "spec"):
                self._version(view.at(where))

    def version(self, kind: str, name: str) -> str | None:
        """The version of the machines that take a configuration."""
        # The command line wins: whoever names a version means the machines that are to come.
        found = self.request.version or self._versions.get((kind, name))
        # Cluster API takes versions with and without the v.
        return f"v{found}" if found and found[0].isdecimal() else found

    def secret(self, name: str, key: str) -> str | None:
        """The value of a Secret's key."""
        return self._secrets.get((name, key))

    def _version(self, view: View | None) -> None:
        reference = view.at("bootstrap.configRef") if view is not None else None
        version = view.get("version") if view is not None else None
        if reference is None or version is None or not version.text:
            return
        kind, name = reference.get("kind"), reference.get("name")
        if kind is not None and name is not None:
            self._versions[(kind.text or "", name.text or "")] = version.text

    def _secret(self, view: View) -> None:
        from binascii import Error, a2b_base64

        name = _text(view.at("metadata.name"))
        # stringData wins, as the API server writes it over data.
        for field in ("data", "stringData"):
            values = view.get(field)
            for key, value in values.entries() if values is not None else ():
                try:
                    text = value.text or ""
                    decoded = a2b_base64(text).decode() if field == "data" else text
                except (Error, ValueError):
                    continue
                self._secrets[(name, key)] = decoded


def _capi(document: Document, around: _Around) -> Result:
    """One document; or two where it says different things for a first machine and for joining ones."""
    try:
        return _of_role(document, around, around.request.role)
    except HalvesDifferError as differ:
        # Converted anew for each role, and not split afterwards: what a half says also decides
        # which commands stay commands.
        first = _of_role(document, around, "Initialize", "-init")
        other = _of_role(document, around, "JoinControlPlane", "-join")
        note = (
            f"{differ.path} is not the same for the first machine and for joining ones: there are two documents, "
            "one for each of the two roles"
        )
        return replace(
            first,
            text=f"{first.text}---\n{other.text}",
            leaves=merged(first.leaves, other.leaves),
            notes=(note, *first.notes),
        )


def _of_role(document: Document, around: _Around, role: Role | None, suffix: str = "") -> Result:
    view, account = _view(document)
    request = around.request
    where = SPECS[document.kind]
    # By what is read: a template stays a template.
    to: Target = request.to or (
        "MachineBootstrapTemplate" if document.kind in _TEMPLATES else "MachineBootstrap"
    )
    # A machine is one thing; in the management cluster the manager chooses.
    if to == "MachineConfiguration" and request.role is None:
        raise RefusedError(_NEEDS_ROLE)
    name = _text(view.at("metadata.name"))
    version = around.version(document.kind, name)
    # Its machines take the version from itself, and no Machine of the stream refers to its spec.
    if document.kind.startswith("KubeadmControlPlane"):
        own = _control_plane(view, document.kind, request.version)
        version = request.version or own or version
    # The texts alone: a word in a key or a comment must not make a machine one of Windows.
    text = _scalars(document.root)
    init = view.at(f"{where}.initConfiguration")
    alone = document.kind == "KubeadmConfig" and init is not None and not init.is_empty
    setting = Setting(
        machine=Machine(jinja=True),
        envsubst=not request.filled_in and placeholders.is_meant(text),
        # A template is of a MachineDeployment; a single machine that says how it initializes may be a control plane's.
        worker=document.kind.startswith("KubeadmConfig") and not alone,
        inlined=to == "MachineConfiguration",
        secret=around.secret,
    )
    spec = view.at(where)
    if spec is None:
        raise RefusedError(
            Finding(code="MA2102", path=where.rpartition(".")[0], message=f"{where} is missing")
        )
    draft = kubeadm_config.convert(spec, document=text, setting=setting, version=version, role=role)
    if to == "MachineConfiguration":
        _join(draft.spec, request)
        # The format of user data; on the machine there is none any more.
        draft.spec.pop("format", None)
    checking.decide(draft.spec, draft.remarks, [account], draft.setting)
    return _result(document, account, view, to, draft, _notes(draft.spec), suffix)


def _kubeadm(group: Sequence[Document], around: _Around) -> Result:
    request = around.request
    views = {document.kind: _view(document) for document in group}
    to: Target = request.to or "MachineConfiguration"
    role = request.role or kubeadm_own.role_of(views.keys())
    if role is None and to == "MachineConfiguration":
        raise RefusedError(_NEEDS_ROLE)
    if role is None:
        # A MachineBootstrap leaves the role open; the half for the first machine has more in it.
        role = "Initialize"
    if role.startswith("Join") and "JoinConfiguration" in views:
        controls = views["JoinConfiguration"][0].get("controlPlane")
        # JoinConfiguration says itself whether a control plane joins.
        if request.role is None:
            role = "JoinWorker" if controls is None else "JoinControlPlane"
    setting = Setting(
        machine=Machine(jinja=False),
        role=role,
        worker=role == "JoinWorker",
        inlined=to == "MachineConfiguration",
        envsubst=any(placeholders.is_meant(_scalars(document.root)) for document in group),
    )
    parsed = {kind: view for kind, (view, _) in views.items()}
    draft = kubeadm_own.convert(parsed, setting=setting, version=request.version)
    _join(draft.spec, request)
    accounts = [account for _, account in views.values()]
    checking.decide(draft.spec, draft.remarks, accounts, setting)
    leaves = []
    for document in group:
        view, account = views[document.kind]
        _heads(view, to)
        # Leaves of several documents in one account: paths alone would be ambiguous.
        prefix = f"{document.kind}." if len(group) > 1 else ""
        leaves += [replace(leaf, path=prefix + leaf.path) for leaf in account.leaves()]
    first = group[0]
    return Result(
        file=first.file,
        document=first.index,
        kind=" + ".join(document.kind for document in group),
        name="",
        to=to,
        text=_write(to, {}, draft),
        leaves=tuple(leaves),
        notes=_notes(draft.spec),
    )


def _node_config(document: Document, around: _Around) -> Result:
    view, account = _view(document)
    to: Target = around.request.to or "MachineConfiguration"
    version = around.request.version or kubeadm_config.UNKNOWN_VERSION
    draft = node_config.convert(view, version=version)
    # nodeadm reads its document as it is, without a template.
    setting = Setting(machine=Machine(jinja=False), role="JoinWorker", worker=True)
    checking.decide(draft.spec, draft.remarks, [account], setting)
    return _result(document, account, view, to, draft, _notes(draft.spec))


def _ours(document: Document, *, alone: bool) -> Result:
    """A document that is ours already: it stays as it is."""
    text = ""
    at = document.root.at if document.root is not None else 0
    for begin, end in parts(document.source.text):
        # As it was written, with its comments.
        if begin <= at < end or (begin == end == at):
            # No other blank is taken away: the indentation of the first line and the end of a
            # block text count.
            text = document.source.text[begin:end].lstrip("\r\n")
            text = text.removeprefix("---").lstrip("\r\n")
            text += "" if text.endswith("\n") else "\n"
    if not alone and document.root is not None:
        # One of a list, and the others are documents of their own.
        # What cannot be written anew is refused as it is wherever our documents are read.
        text = write(_taken_out(document, document.root), {})
    return Result(
        file=document.file,
        document=document.index,
        kind=document.kind,
        name="",
        to=document.kind,
        text=text,
        notes=("is ours already, and stays as it is",),
    )


def _taken_out(document: Document, item: Node) -> dict[str, object]:
    try:
        value: dict[str, object] = as_kubernetes(item)
    except ValueError as error:
        read = decode_node(item, source=document.source, index=document.index)
        first = next(iter(read.problems), None)
        code, path = (first.code, first.path) if first is not None else ("MA1010", "")
        raise RefusedError(Finding(code=code, path=path, message=str(error))) from None
    return value


def _join(spec: dict[str, object], request: Request) -> None:
    """Add what only the command line says of a joining machine."""
    kubernetes = spec.get("kubernetes")
    role = kubernetes.get("role") if isinstance(kubernetes, dict) else None
    if not isinstance(role, dict) or role.get("type") == "Initialize":
        return
    given = request.discovery
    # Two forms of the file: a discovery has a type, a part of a role has a `discovery`.
    role.update({"discovery": given} if "type" in given else given)


def _result(
    document: Document,
    account: Account,
    view: View,
    to: Target,
    draft: kubeadm_config.Draft,
    notes: tuple[str, ...],
    suffix: str = "",
) -> Result:
    metadata = _metadata(view.get("metadata"), to)
    name = str(metadata.get("name", ""))
    if name:
        metadata["name"] = name + suffix
    # Labels of a template's inside go to each object that is made of it, so they must not be lost.
    template = view.at("spec.template.metadata")
    _heads(view, to)
    return Result(
        file=document.file,
        document=document.index,
        kind=document.kind,
        name=name,
        to=to,
        text=_write(to, metadata, draft, _metadata(template, to) if template is not None else None),
        leaves=account.leaves(),
        notes=notes,
    )


def _write(
    to: Target,
    metadata: dict[str, object],
    draft: kubeadm_config.Draft,
    template: dict[str, object] | None = None,
) -> str:
    document: dict[str, object] = {"apiVersion": V1ALPHA1, "kind": to}
    put(document, "metadata", metadata)
    above = "spec"
    if to == "MachineBootstrapTemplate":
        inner: dict[str, object] = {}
        put(inner, "metadata", template)
        inner["spec"] = draft.spec
        document["spec"] = {"template": inner}
        above = "spec.template.spec"
    else:
        document["spec"] = draft.spec
    return write(document, {f"{above}.{path}": lines for path, lines in draft.remarks.items()})


def _metadata(view: View | None, to: Target) -> dict[str, object]:
    found: dict[str, object] = {}
    if view is None:
        return found
    if view.is_empty:
        view.default("an empty map is the same as none")
    for name, part in view.entries():
        if name not in _KEPT:
            part.nothing(_SERVER)
        # Labels and annotations.
        elif part.is_map:
            pairs = {}
            for key, value in part.entries():
                if key == "kubectl.kubernetes.io/last-applied-configuration":
                    value.nothing("kubectl writes it again")
                elif value.text is not None:
                    value.converted(f"metadata.{name}")
                    pairs[key] = value.text
            if part.is_empty:
                part.default("an empty map is the same as none")
            put(found, name, pairs)
        elif (
            part.text is not None
            and to == "MachineConfiguration"
            and not re.fullmatch(_NAME, part.text)
        ):
            part.nothing("on a machine names are for people, and this one is a placeholder")
        elif part.text is not None:
            if name == "name" and re.search(_FILLED_IN, part.text):
                part.converted("metadata.name", "kept for the tool that fills it in")
            elif name == "name" and not re.fullmatch(_NAME, part.text):
                part.decide(
                    f"{part.text} is not a name that the API server takes",
                    "have whoever fills it in do so before it is converted",
                    "write the name that it becomes",
                    to="metadata.name",
                )
            else:
                part.converted(f"metadata.{name}")
            put(found, name, part.text)
    return found


def _heads(view: View, to: str) -> None:
    for name in ("apiVersion", "kind"):
        part = view.get(name)
        if part is not None:
            part.converted(name, f"{to} of {V1ALPHA1}" if name == "kind" else "")
    status = view.get("status")
    if status is not None:
        status.nothing(_SERVER)
    for where in ("spec", "spec.template", "spec.template.spec"):
        part = view.at(where)
        if part is not None and part.is_empty:
            part.default("an empty map is the same as none")


def _control_plane(view: View, kind: str, asked: str | None) -> str | None:
    """Say what becomes of a control plane's own fields, and return its version."""
    spec = view.at("spec" if kind == "KubeadmControlPlane" else "spec.template.spec")
    found = None
    for name, part in spec.entries() if spec is not None else ():
        if name == "version" and part.text:
            found = part.text
            if asked is not None and asked != found:
                part.nothing(f"{asked} was asked for")
            else:
                part.converted("kubernetes.version")
        elif name != "kubeadmConfigSpec":
            part.nothing(_CONTROL_PLANE)
    if found is not None and re.match("[0-9]", found):
        # The webhook of a KubeadmControlPlane accepts both; ours has one form.
        found = f"v{found}"
    return found


def _notes(spec: dict[str, object]) -> tuple[str, ...]:
    kubernetes = spec.get("kubernetes")
    version = kubernetes.get("version") if isinstance(kubernetes, dict) else None
    if version != kubeadm_config.UNKNOWN_VERSION:
        return ()
    return (
        f"kubernetes.version is {version}: no document says it; give `--kubernetes-version`, or have the placeholder filled in",
    )


def _items(document: Document) -> Iterator[Document]:
    """The documents of a list, as kubectl prints several; any other document is itself."""
    items = _view(document)[0].get("items")
    if not re.fullmatch("(Kubeadm.+)?List", document.kind) or items is None or not [*items.items()]:
        yield document
        return
    for item in (one.node for one in items.items()):
        view = View(item, "", Account(item, document.source))
        yield Document(
            file=document.file,
            index=document.index,
            api_version=_text(view.get("apiVersion")),
            kind=_text(view.get("kind")),
            value=None,
            problems=(),
            source=document.source,
            root=item,
        )


def _skipped(document: Document, problems: list[Problem]) -> Skipped:
    group = document.api_version.partition("/")[0]
    # A known kind of an unknown version is an error and not a skipped document: whoever converts it
    # expects a result.
    if (document.kind in SPECS and group.endswith("cluster.x-k8s.io")) or group == "kubeadm.k8s.io":
        problems.append(problem_at(document, _UNKNOWN_VERSION))
    kind = f"{document.kind or 'a document without a kind'}"
    return Skipped(
        file=document.file,
        document=document.index,
        kind=kind,
        note="is not about what is on a machine, and is not converted",
    )


def _is_kubeadm(document: Document) -> bool:
    group = document.api_version
    return re.fullmatch(_KUBEADM, group) is not None or (
        # kubeadm reads these two in the same file as its own.
        document.kind in ("KubeletConfiguration", "KubeProxyConfiguration")
        and group.partition("/")[0] in ("kubelet.config.k8s.io", "kubeproxy.config.k8s.io")
    )


def _view(document: Document) -> tuple[View, Account]:
    root: Node = document.root if document.root is not None else Mapping(0, [])
    account = Account(root, document.source)
    return View(root, "", account), account


def _text(view: View | None) -> str:
    return (view.text or "") if view is not None else ""


def _filled(data: bytes, values: dict[str, str]) -> bytes:
    if not values:
        return data
    try:
        return placeholders.filled(data.decode(), values).encode()
    except UnicodeDecodeError:
        return data  # refused when it is read


def _scalars(node: Node | None) -> str:
    """All texts of a document, one below the other."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, (Mapping, List)):
        return "\n".join(map(_scalars, node.items))
    return ""


def _duplicates(document: Document) -> Iterator[Problem]:
    """Keys that come twice: readers disagree about which one counts."""
    if document.root is None:
        return
    open_: list[tuple[Node, str]] = [(document.root, "")]
    while open_:
        node, path = open_.pop()
        if isinstance(node, List):
            open_ += [(item, f"{path}[{index}]") for index, item in enumerate(node.items)]
        elif isinstance(node, Mapping):
            seen: set[str] = set()
            for key, value in node.entries():
                name = key.text if isinstance(key, Scalar) else "?"
                where = child(path, name)
                if name in seen:
                    yield problem_at(
                        document, Finding(code="MA1205", path=where, message="duplicate key")
                    )
                seen.add(name)
                open_.append((value, where))


_NEEDS_ROLE: Final = Finding(
    code="MA2103",
    path="",
    message="does not say by itself what a machine becomes, and a MachineConfiguration is for one machine",
    hint="--role Initialize, JoinControlPlane or JoinWorker; joining machines also need --discovery",
)
_EMPTY: Final = Problem(
    file="-", document=1, line=1, column=1, code="MA1001", path="", message="there is no document"
)
_UNKNOWN_VERSION: Final = Finding(
    code="MA2101",
    path="apiVersion",
    message="is a version of this kind that is not known here",
    hint="Cluster API: v1beta1, v1beta2; kubeadm: v1beta2, v1beta3, v1beta4",
)
_NOTHING: Final = Finding(
    code="MA2104",
    path="",
    message="nothing in the stream can be converted",
    hint="KubeadmConfig, KubeadmConfigTemplate, KubeadmControlPlane and its template, kubeadm's own documents, NodeConfig",
)

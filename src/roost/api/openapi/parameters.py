"""Parameters of operations, by name: what they are for, where they stand and their type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation that is not its body."""

    name: str
    description: str
    type: str = "string"
    place: str = "query"


LIST = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit",
    "resourceVersion", "resourceVersionMatch", "sendInitialEvents", "shardSelector",
    "timeoutSeconds", "watch",
)  # fmt: skip
DELETE = (
    "dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents", "propagationPolicy",
)  # fmt: skip
DELETE_COLLECTION = (
    *DELETE, "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "shardSelector", "timeoutSeconds",
)  # fmt: skip
WRITE = ("dryRun", "fieldManager", "fieldValidation")
PATCH = (*WRITE, "force")
#: Parameters of `connect` and of reading logs, which are the fields of an options type.
OPTIONS: dict[str, tuple[str, ...]] = {
    "NodeProxyOptions": ("path",),
    "PodAttachOptions": ("container", "stderr", "stdin", "stdout", "tty"),
    "PodExecOptions": ("command", "container", "stderr", "stdin", "stdout", "tty"),
    "PodPortForwardOptions": ("ports",),
    "PodProxyOptions": ("path",),
    "ServiceProxyOptions": ("path",),
}
LOG = (
    "container", "follow", "insecureSkipTLSVerifyBackend", "limitBytes", "previous",
    "sinceSeconds", "stream", "tailLines", "timestamps",
)  # fmt: skip

_ALL = (
    Parameter(
        "allowWatchBookmarks",
        "Also send events of type BOOKMARK, which carry nothing but a resourceVersion, in a watch.",
        "boolean",
    ),
    Parameter("command", "The command to run, one element of its argv. No shell is involved."),
    Parameter("container", "The container; the only one, or the first, of the pod if not given."),
    Parameter("continue", "Where the answer to the same list, sent before, ended."),
    Parameter(
        "dryRun",
        "Do all that the request asks for, but store nothing. Valid values are: - All: every stage "
        "is processed.",
    ),
    Parameter(
        "fieldManager",
        "The name of who makes the change, at most 128 printable characters; required by apply.",
    ),
    Parameter("fieldSelector", "Only objects with these values of fields."),
    Parameter(
        "fieldValidation",
        "What happens to unknown and duplicate fields. Valid values are: - Ignore: they are "
        "dropped. - Warn: they are dropped and a warning is sent for each; the default. - Strict: "
        "the request is refused.",
    ),
    Parameter("follow", "Keep sending the log as it grows.", "boolean"),
    Parameter("force", "Take over the fields of an apply that others own.", "boolean"),
    Parameter(
        "gracePeriodSeconds",
        "How long the object may take to go, in seconds; 0 is at once. The default is its kind's.",
        "integer",
    ),
    Parameter(
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "Delete the object even if what is stored cannot be read, without finalizers.",
        "boolean",
    ),
    Parameter(
        "insecureSkipTLSVerifyBackend",
        "Read the log even if the certificate of the node cannot be verified.",
        "boolean",
    ),
    Parameter("labelSelector", "Only objects with these labels."),
    Parameter("limit", "At most so many objects; the answer says where to continue.", "integer"),
    Parameter("limitBytes", "At most so many bytes of the log.", "integer"),
    Parameter("orphanDependents", "Deprecated: use propagationPolicy.", "boolean"),
    Parameter("path", "The path of the request to what is proxied."),
    Parameter("ports", "A port to forward; required with WebSocket.", "integer"),
    Parameter("pretty", "Indent the answer if `true`."),
    Parameter("previous", "The log of the container that ran before.", "boolean"),
    Parameter(
        "propagationPolicy",
        "What happens to dependents: Orphan, Background or Foreground.",
    ),
    Parameter("resourceVersion", "How new what is read must be at least."),
    Parameter("resourceVersionMatch", "How resourceVersion is meant: NotOlderThan or Exact."),
    Parameter(
        "sendInitialEvents",
        "Start a watch with an event for every object there is, then a bookmark.",
        "boolean",
    ),
    Parameter("shardSelector", "Only objects of one shard of the keys."),
    Parameter("sinceSeconds", "Only what was logged in the last so many seconds.", "integer"),
    Parameter("stderr", "Connect standard error.", "boolean"),
    Parameter("stdin", "Connect standard input.", "boolean"),
    Parameter("stdout", "Connect standard output.", "boolean"),
    Parameter("stream", "The stream of the log: All, Stdout or Stderr."),
    Parameter("tailLines", "Only so many lines from the end of the log.", "integer"),
    Parameter("timeoutSeconds", "How long a list or watch may take, in seconds.", "integer"),
    Parameter("timestamps", "Write the time before every line of the log.", "boolean"),
    Parameter("tty", "Give the command a terminal.", "boolean"),
    Parameter("watch", "Send changes from now on, as they happen, instead of a list.", "boolean"),
)
#: Query parameters by name.
QUERY: dict[str, Parameter] = {parameter.name: parameter for parameter in _ALL}
NAMESPACE = Parameter("namespace", "The namespace of the object.", place="path")
PROXY_PATH = Parameter("path", "The path of the request to what is proxied.", place="path")


def name_of(kind: str) -> Parameter:
    """Return the path parameter `name` of a kind."""
    return Parameter("name", f"name of the {kind}", place="path")

"""Finds or fetches images, one pull at a time per node, with the kubelet's events."""

from __future__ import annotations

import asyncio

from roost.api.values import Object
from roost.node import podspec
from roost.node.facts import ContainerFacts, ImageFacts
from roost.node.images import credentials_of, go_duration, missing_secrets, pull_policy
from roost.node.restarts import next_fault
from roost.node.sources import Refused, Sources
from roost.node.tools import Tools
from roost.runtimes.port import Image, Images, Runtime, RuntimeFault


def reference_to(pod: Object, container: str = "") -> Object:
    """Return the ObjectReference under which events about a pod or a container are recorded."""
    namespace, name = podspec.name_of(pod)
    found: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": namespace,
        "name": name,
        "uid": podspec.uid(pod),
        "resourceVersion": pod["metadata"].get("resourceVersion", ""),
    }
    known = podspec.find_container(pod, container) if container else None
    if known is not None:
        found["fieldPath"] = podspec.field_path(known[0], container)
    return found


def _facts_of(attempt: int, image: Image) -> ImageFacts:
    shown = image.digests[0] if image.digests else image.id
    return ImageFacts(attempt, image.id, shown, user=image.user)


class Puller:
    """Images for containers. Pulls wait for each other, as with serializeImagePulls."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._turn = asyncio.Lock()

    async def provide(
        self,
        pod: Object,
        container: Object,
        known: ContainerFacts,
        runtime: Runtime,
        sources: Sources,
    ) -> ImageFacts:
        """Return the image for the container's next attempt, or the fault why there is none."""
        attempt = known.next_attempt
        reference = container.get("image") or ""
        if not isinstance(runtime, Images):
            return ImageFacts(attempt, reference, reference)
        try:
            return await self._provide(pod, container, attempt, runtime, sources)
        except (RuntimeFault, Refused) as error:
            before = known.image.fault if known.image is not None else None
            never = error.reason == "ErrImageNeverPull"
            fault = next_fault(
                before, error.reason, error.message, self._tools.clock.now(), steady=never
            )
            return ImageFacts(attempt, fault=fault)

    async def _provide(
        self, pod: Object, container: Object, attempt: int, runtime: Images, sources: Sources
    ) -> ImageFacts:
        about = reference_to(pod, container["name"])
        record = self._tools.recorder.record
        reference = container.get("image") or ""
        policy = pull_policy(container)
        if policy != "Always":
            present = await runtime.find_image(reference)
            if present is not None:
                record(
                    about,
                    "Normal",
                    "Pulled",
                    f'Container image "{reference}" already present on machine',
                )
                return _facts_of(attempt, present)
        if policy == "Never":
            message = f'Container image "{reference}" is not present with pull policy of Never'
            record(about, "Warning", "ErrImageNeverPull", message)
            record(about, "Warning", "Failed", "Error: ErrImageNeverPull")
            raise RuntimeFault("ErrImageNeverPull", message)
        for name in missing_secrets(pod, sources):
            record(
                reference_to(pod),
                "Warning",
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({name}); attempting to pull the "
                "image may not succeed.",
            )
        asked_at = self._tools.clock.now()
        async with self._turn:
            began_at = self._tools.clock.now()
            record(about, "Normal", "Pulling", f'Pulling image "{reference}"')
            try:
                image = await runtime.pull_image(reference, credentials_of(pod, sources))
            except RuntimeFault as error:
                record(
                    about,
                    "Warning",
                    "Failed",
                    f'Failed to pull image "{reference}": {error.message}',
                )
                record(about, "Warning", "Failed", f"Error: {error.reason}")
                raise
        now = self._tools.clock.now()
        record(
            about,
            "Normal",
            "Pulled",
            f'Successfully pulled image "{reference}" in {go_duration(now - began_at)} '
            f"({go_duration(now - asked_at)} including waiting). "
            f"Image size: {image.size_bytes} bytes.",
        )
        return _facts_of(attempt, image)

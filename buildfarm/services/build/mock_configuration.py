"""Mock configurations of targets, as ``buildfarm mock-config TARGET`` prints them."""

from __future__ import annotations

from buildfarm.config import Config
from buildfarm.domain.build.mock_configuration import MockConfig, MockRepository, render, root_name
from buildfarm.domain.target.target import Target
from buildfarm.services.publish.buildroots import OWN_PRIORITY


def mock_config(config: Config, target: Target, arch: str, *, generation: str = "") -> str:
    """The text of the file; ``generation`` pins the build tag's repositories to one number
    (default: the current one).
    """
    hub, layers = config.farm.url, config.below(target)
    tags = [
        (target.tags.build, generation or "current"),
        *((base.tags.destination, "current") for base in layers[1:]),
    ]
    own = [
        MockRepository(
            id=tag, baseurl=f"{hub}/repos/{tag}/{number}/{arch}", priority=OWN_PRIORITY + depth,
            gpgcheck=True, repo_gpgcheck=True, gpgkey=f"{hub}/repos/RPM-GPG-KEY",
        )
        for depth, (tag, number) in enumerate(tags)
    ]  # fmt: skip
    external = tuple(
        MockRepository(
            id=repo.id, baseurl=repo.baseurl or f"{hub}/repos/external/{layer.name}/{repo.id}",
            priority=repo.priority, gpgcheck=repo.gpgcheck, gpgkey=repo.gpgkey,
        )
        for layer in layers
        for repo in layer.external
    )  # fmt: skip
    macros = {"dist": target.dist, **target.header_tags, **target.buildroot.macros}
    return render(
        MockConfig(
            root=root_name(target.name, arch, ""), arch=arch, packages=target.buildroot.packages,
            repositories=(*own, *external), releasever=target.buildroot.releasever,
            title=target.title, macros=macros, timeout=target.limits.seconds,
            modules=target.modules,
        )
    )  # fmt: skip

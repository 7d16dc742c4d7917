"""Mock configurations: a buildroot as a file that a person can use with mock.

``mock -r file.cfg --rebuild x.src.rpm`` does with it what the farm's mock builder does. Pure: text
in, text out. Option names and defaults are those of mock 6.7 (mockbuild/config.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_JINJA = ("{{", "{%", "{#")


@dataclass(frozen=True, slots=True, kw_only=True)
class MockRepository:
    """One repository of the buildroot; ``priority`` as in dnf.conf(5), lower wins."""

    id: str
    baseurl: str
    priority: int = 99
    gpgcheck: bool = False
    repo_gpgcheck: bool = False
    gpgkey: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MockConfig:
    """The contents of a mock configuration.

    ``root`` names chroot and cache: one name for what may share a cached root.

    ``macros`` are names without percent sign, ``modules`` streams (``NAME:STREAM``) to enable.
    ``timeout`` is seconds of rpmbuild, 0 for none. ``basedir`` and ``cache`` empty leave mock's own
    places. ``title`` becomes a comment.
    """

    root: str
    arch: str
    packages: tuple[str, ...]
    repositories: tuple[MockRepository, ...]
    releasever: str
    title: str = ""
    macros: Mapping[str, str] = field(default_factory=dict)
    with_: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    nocheck: bool = False
    modules: tuple[str, ...] = ()
    timeout: int = 0
    network: bool = False
    isolation: str = "auto"
    environment: Mapping[str, str] = field(default_factory=dict)
    basedir: str = ""
    cache: str = ""
    keep_root: bool = False


def root_name(target: str, arch: str, key: str) -> str:
    """The root's name for a target's buildroot key.

    >>> root_name("reef-9", "x86_64", "sha256:0123456789abcdef0123")
    'reef-9-x86_64-sha256-012345'
    """
    short = _UNSAFE.sub("-", key)[:13].strip("-")
    return _UNSAFE.sub("-", "-".join(part for part in (target, arch, short) if part))


def render(config: MockConfig) -> str:
    """Return the file's text.

    >>> text = render(MockConfig(root="r", arch="x86_64", packages=("bash",), repositories=(),
    ...                          releasever="9"))
    >>> "config_opts['chroot_setup_cmd'] = 'install bash'" in text
    True
    """
    lines = [f"# {line}" for line in config.title.splitlines()]
    for name, value in _options(config).items():
        lines.append(f"config_opts[{name!r}] = {_literal(value)}")
    lines.append("")
    for section, values in (("environment", config.environment), ("macros", _macros(config))):
        for name, body in values.items():
            lines.append(f"config_opts[{section!r}][{name!r}] = {_literal(body)}")
    lines.append("")
    for name, enabled in _PLUGINS.items():
        lines.append(f"config_opts['plugin_conf'][{name + '_enable'!r}] = {enabled}")
    # the root's name already says what is in it; by age, mock would compare with this file, written
    # a moment ago
    lines.append("config_opts['plugin_conf']['root_cache_opts']['age_check'] = False")
    return "\n".join([*lines, "", f'config_opts["dnf.conf"] = """\n{_dnf_conf(config)}"""', ""])


_PLUGINS = {
    "root_cache": True,
    "yum_cache": True,
    "package_state": True,
    "ccache": False,
    "hw_info": False,
    "compress_logs": False,
}


def _options(config: MockConfig) -> dict[str, object]:
    options: dict[str, object] = {
        "root": config.root,
        "target_arch": config.arch,
        "legal_host_arches": (config.arch,),
        "chroot_setup_cmd": "install " + " ".join(config.packages),
        "releasever": config.releasever,
        "package_manager": "dnf4",
        "use_bootstrap": False,
        "update_before_build": False,
        "isolation": config.isolation,
        "rpmbuild_networking": config.network,
        "use_host_resolv": config.network,
        "rpmbuild_timeout": config.timeout,
        "check": not config.nocheck,
        "cleanup_on_success": not config.keep_root,
        "cleanup_on_failure": not config.keep_root,
    }
    if config.modules:
        options["module_setup_commands"] = [("enable", stream) for stream in config.modules]
    if config.basedir:
        options["basedir"] = config.basedir
    if config.cache:
        options["cache_topdir"] = config.cache
    return options


def _macros(config: MockConfig) -> dict[str, str]:
    """Return macros with percent sign, as mock wants them, and conditions as mock's own --with and
    --without spell them.
    """
    macros = {f"%{name}": body for name, body in config.macros.items()}
    for prefix, names in (("with", config.with_), ("without", config.without)):
        for name in names:
            macros[f"%_{prefix}_{name.replace('-', '_')}"] = f"--{prefix}-{name}"
    return macros


def _literal(value: object) -> str:
    """A Python literal that mock reads back unchanged: it expands Jinja in strings, and
    ``%{?a:{{b}}}`` is no Jinja.
    """
    if isinstance(value, str) and any(mark in value for mark in _JINJA):
        return repr(f"{{% raw %}}{value}{{% endraw %}}")
    return repr(value)


def _dnf_conf(config: MockConfig) -> str:
    lines = [
        "[main]", "keepcache=1", "reposdir=/dev/null", "logfile=/var/log/dnf.log", "retries=3",
        "obsoletes=1", "gpgcheck=1", "assumeyes=1", "best=1", "install_weak_deps=0",
        "metadata_expire=0", "protected_packages=",
        f"module_platform_id=platform:el{config.releasever.partition('.')[0]}",
        "user_agent={{ user_agent }}",
    ]  # fmt: skip
    for repo in config.repositories:
        lines += [
            "", f"[{repo.id}]", f"name={repo.id}", f"baseurl={repo.baseurl}",
            f"priority={repo.priority}", f"gpgcheck={int(repo.gpgcheck)}",
            f"repo_gpgcheck={int(repo.repo_gpgcheck)}", "skip_if_unavailable=False",
        ]  # fmt: skip
        if repo.gpgkey:
            lines.append(f"gpgkey={repo.gpgkey}")
    return "\n".join(lines) + "\n"

"""The command `roost`: what there is, with its options. The work is done in the modules beside this one,
which are imported only by the command that needs them.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from roost.cli import flags as operating
from roost.cli import lives, output, sim, verbs
from roost.cli.options import (
    Advertise,
    Bind,
    ClusterCidr,
    Config,
    Controllers,
    DataDir,
    EvictionHard,
    ExtraNames,
    FactsFormat,
    Insecure,
    Kubeconfig,
    KubeletPort,
    LogLevel,
    NodeIp,
    NodeMask,
    NodeName,
    PodCidr,
    Port,
    PrintConfig,
    Runtime,
    SchedulerConfig,
)
from roost.cli.places import Places
from roost.cli.settings import Loaded, SettingsError, load_settings
from roost.cli.settings import node_name as name_of

app = typer.Typer(
    help="A whole Kubernetes in one command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
token_app = typer.Typer(help="Bearer tokens for this server.", no_args_is_help=True)
secrets_app = typer.Typer(help="Encryption of Secrets on this server's disk.", no_args_is_help=True)
image_app = typer.Typer(help="Images of this node.", no_args_is_help=True)
app.add_typer(token_app, name="token", rich_help_panel="Cluster")
app.add_typer(secrets_app, name="secrets", rich_help_panel="Cluster")
app.add_typer(image_app, name="image", rich_help_panel="Cluster")
sim.app.add_typer(lives.app)
app.add_typer(sim.app, name="sim", rich_help_panel="Cluster")
app.add_typer(verbs.app)

_CLUSTER = "Cluster"
#: Typer shows no other name for what it raises when a command line is wrong.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def _settings(config: Path | None, flags: dict[str, Any], *, show: bool) -> Loaded:
    """Return the settings in force; ends the command if they are wrong or were only asked for."""
    try:
        loaded = load_settings(flags, os.environ, config)
    except SettingsError as error:
        output.fail(str(error))
    if show:
        output.say(loaded.as_yaml())
        raise typer.Exit
    return loaded


# ---------------------------------------------------------------- cluster


@app.command(rich_help_panel=_CLUSTER)
def up(
    data_dir: DataDir = None, port: Port = None, bind_address: Bind = None,
    advertise_address: Advertise = None, extra_names: ExtraNames = None,
    controllers: Controllers = None, scheduler_config: SchedulerConfig = None,
    cluster_cidr: ClusterCidr = None, node_cidr_mask_size: NodeMask = None,
    node_name: NodeName = None, node_ip: NodeIp = None,
    kubelet_port: KubeletPort = None, pod_cidr: PodCidr = None, runtime: Runtime = None,
    insecure_registries: Insecure = None, eviction_hard: EvictionHard = None,
    log_level: LogLevel = None,
    audit_policy_file: operating.AuditPolicy = None,
    audit_log_path: operating.AuditLog = None,
    audit_log_maxsize: operating.AuditSize = None,
    audit_log_maxbackup: operating.AuditBackups = None,
    audit_log_maxage: operating.AuditAge = None,
    oidc_issuer_url: operating.OidcIssuer = None,
    oidc_client_id: operating.OidcClient = None,
    oidc_username_claim: operating.OidcUser = None,
    oidc_username_prefix: operating.OidcUserPrefix = None,
    oidc_groups_claim: operating.OidcGroups = None,
    oidc_groups_prefix: operating.OidcGroupsPrefix = None,
    oidc_required_claim: operating.OidcRequired = None,
    oidc_ca_file: operating.OidcCa = None,
    requestheader_client_ca_file: operating.ProxyCa = None,
    requestheader_allowed_names: operating.ProxyNames = None,
    requestheader_username_headers: operating.ProxyUser = None,
    requestheader_uid_headers: operating.ProxyUid = None,
    requestheader_group_headers: operating.ProxyGroup = None,
    requestheader_extra_headers_prefix: operating.ProxyExtra = None,
    config: Config = None,
    print_config: PrintConfig = False,
) -> None:  # fmt: skip
    """Run a whole cluster on this machine, in the foreground.

    Ctrl-C ends Roost and leaves pods running; `roost down` stops them.
    """
    flags = {**locals()}
    for name in ("config", "print_config"):
        del flags[name]
    loaded = _settings(config, flags, show=print_config)
    from roost.cli.up import up as run

    run(Places(Path(loaded.settings.data_dir)), loaded.settings)


@app.command(rich_help_panel=_CLUSTER)
def down(
    data_dir: DataDir = None,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Also delete all objects, images and logs.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """End Roost in a data directory and stop every pod it runs."""
    loaded = _settings(config, {"data_dir": data_dir}, show=False)
    from roost.cli.down import down as run
    from roost.cli.nodeplan import plan_network

    places = Places(Path(loaded.settings.data_dir))
    if os.geteuid() != 0:
        output.fail("roost down stops containers and needs root: run it with sudo")
    if not places.root.exists():
        output.fail(f"there is nothing in {places.root}; name the place with --data-dir")
    what = "stops every pod" + (" and deletes all data" if delete_data else "")
    output.say(f"This {what} of {places.root}.")
    if delete_data and not yes:
        typer.confirm("Continue?", abort=True)
    run(places, plan_network(loaded.settings, places), delete_data=delete_data)


@app.command(rich_help_panel=_CLUSTER)
def server(
    data_dir: DataDir = None, port: Port = None, bind_address: Bind = None,
    advertise_address: Advertise = None, extra_names: ExtraNames = None,
    controllers: Controllers = None, scheduler_config: SchedulerConfig = None,
    cluster_cidr: ClusterCidr = None, node_cidr_mask_size: NodeMask = None,
    log_level: LogLevel = None,
    audit_policy_file: operating.AuditPolicy = None,
    audit_log_path: operating.AuditLog = None,
    audit_log_maxsize: operating.AuditSize = None,
    audit_log_maxbackup: operating.AuditBackups = None,
    audit_log_maxage: operating.AuditAge = None,
    oidc_issuer_url: operating.OidcIssuer = None,
    oidc_client_id: operating.OidcClient = None,
    oidc_username_claim: operating.OidcUser = None,
    oidc_username_prefix: operating.OidcUserPrefix = None,
    oidc_groups_claim: operating.OidcGroups = None,
    oidc_groups_prefix: operating.OidcGroupsPrefix = None,
    oidc_required_claim: operating.OidcRequired = None,
    oidc_ca_file: operating.OidcCa = None,
    requestheader_client_ca_file: operating.ProxyCa = None,
    requestheader_allowed_names: operating.ProxyNames = None,
    requestheader_username_headers: operating.ProxyUser = None,
    requestheader_uid_headers: operating.ProxyUid = None,
    requestheader_group_headers: operating.ProxyGroup = None,
    requestheader_extra_headers_prefix: operating.ProxyExtra = None,
    config: Config = None,
    print_config: PrintConfig = False,
) -> None:  # fmt: skip
    """Run the API server with its controllers and scheduler, and no node."""
    flags = {**locals()}
    for name in ("config", "print_config"):
        del flags[name]
    loaded = _settings(config, flags, show=print_config)
    from roost.cli.addresses import machine_address
    from roost.cli.service import Orders
    from roost.network.plan import NetworkError

    try:
        address = machine_address(loaded.settings, Places(Path(loaded.settings.data_dir)))
    except NetworkError as error:
        output.fail(str(error))
    Orders(loaded.settings, address).become("server")


@app.command(rich_help_panel=_CLUSTER)
def agent(
    server: Annotated[str, typer.Option(help="URL of the API server.")] = "",
    data_dir: DataDir = None, node_name: NodeName = None, node_ip: NodeIp = None,
    kubelet_port: KubeletPort = None, pod_cidr: PodCidr = None, runtime: Runtime = None,
    insecure_registries: Insecure = None, eviction_hard: EvictionHard = None,
    log_level: LogLevel = None, config: Config = None,
    print_config: PrintConfig = False,
) -> None:  # fmt: skip
    """Run a node: containers, their network and their API."""
    flags = {**locals()}
    for name in ("config", "print_config", "server"):
        del flags[name]
    loaded = _settings(config, flags, show=print_config)
    if os.geteuid() != 0:
        output.fail("roost agent runs containers and needs root: run it with sudo")
    from roost.apiserver.pki.files import PkiError
    from roost.cli.addresses import machine_address
    from roost.cli.identity import issue_from_disk
    from roost.cli.service import Orders
    from roost.network.plan import NetworkError

    settings, places = loaded.settings, Places(Path(loaded.settings.data_dir))
    url = server or f"https://127.0.0.1:{settings.port}"
    try:
        address = machine_address(settings, places)
        issued = issue_from_disk(places, name_of(settings), address, url)
    except (PkiError, NetworkError) as error:
        output.fail(str(error))
    if not issued and not places.agent_kubeconfig.exists():
        output.fail(
            f"there is no {places.agent_kubeconfig}: start the server in the same data directory "
            "first, or put a kubeconfig for this node there"
        )
    Orders(settings, address).become("agent")


@token_app.command("create")
def token_create(
    user: Annotated[str, typer.Option(help="Who the bearer is.")],
    group: Annotated[list[str] | None, typer.Option(help="A group; may be repeated.")] = None,
    hours: Annotated[float, typer.Option(help="How long it is good for; 0: for ever.")] = 0,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Print a new bearer token. It is shown once; only its hash is kept."""
    from roost.cli.tokens import create

    create(_data(data_dir, config), user, group or [], hours)


@token_app.command("list")
def token_list(data_dir: DataDir = None, form: FactsFormat = "", config: Config = None) -> None:
    """List tokens: who they are for, never what they are."""
    from roost.cli.tokens import show

    show(_data(data_dir, config), form)


@token_app.command("delete")
def token_delete(
    token_id: Annotated[str, typer.Argument(help="The id that `roost token list` shows.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make a token worthless."""
    from roost.cli.tokens import delete as remove

    remove(_data(data_dir, config), token_id)


@secrets_app.command("rotate")
def secrets_rotate(data_dir: DataDir = None, config: Config = None) -> None:
    """Make a new key for Secrets on disk. Those that an older key sealed can still be read."""
    from roost.cli.secrets import rotate

    rotate(_data(data_dir, config))


@image_app.command("load")
def image_load(
    file: Annotated[Path, typer.Argument(help="A docker-archive or an OCI layout.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Take images from a file into this node, so that pods can use them without a registry."""
    from roost.cli.images import load

    load(_data(data_dir, config), file)


@image_app.command("ls")
def image_ls(data_dir: DataDir = None, form: FactsFormat = "", config: Config = None) -> None:
    """List the images of this node."""
    from roost.cli.images import show

    show(_data(data_dir, config), form)


def _data(data_dir: str | None, config: Path | None) -> Places:
    loaded = _settings(config, {"data_dir": data_dir}, show=False)
    return Places(Path(loaded.settings.data_dir))


@app.command(rich_help_panel=_CLUSTER)
def version(form: FactsFormat = "") -> None:
    """Show which Roost this is, and which Kubernetes it speaks."""
    from roost.cli.about import version_facts

    facts = version_facts()
    if form in ("json", "yaml"):
        output.say(output.as_format(facts, form))
    else:
        output.say(f"Roost {facts['roost']}, Kubernetes {facts['kubernetes']}")


@app.command(rich_help_panel=_CLUSTER)
def info(data_dir: DataDir = None, kubeconfig: Kubeconfig = "", form: FactsFormat = "") -> None:
    """Show what runs here: the server, its nodes, and what they use."""
    from roost.cli.about import info as show
    from roost.cli.connect import run_command

    run_command(lambda c: show(c, form), kubeconfig=kubeconfig, data_dir=data_dir or "")


def main() -> None:
    """Run the command line."""
    if platform.system() != "Linux" and sys.argv[1:2] in (["up"], ["agent"]):
        output.fail("nodes need Linux")
    try:
        code = app(prog_name="roost", standalone_mode=False)
    except typer.Abort:
        output.fail("aborted")
    except _UsageError as error:
        _refuse(error)
    raise SystemExit(code if isinstance(code, int) else 0)


def _refuse(error: Any) -> NoReturn:
    """End the command with a line that says what is wrong with it, and where help is."""
    message = error.format_message()
    if message:  # without one, the command's help has been shown
        path = error.ctx.command_path if error.ctx is not None else "roost"
        message = f"{message[0].lower()}{message[1:]}".rstrip(".")
        print(f"error: {message}; see `{path} -h`", file=sys.stderr, flush=True)
    raise SystemExit(error.exit_code)

"""The image and its two replicas, as far as files can tell: compose.yaml, Dockerfile, .dockerignore and nginx.conf
agree with each other and with what `serve` takes. No image is built here."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from pathlib import Path

import yaml

from artcore import __main__ as shell
from artcore.studio import server

REPO = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((REPO / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (REPO / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
NGINX = (REPO / "docker" / "nginx.conf").read_text(encoding="utf-8")
REPLICAS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "artcore"}


def instructions(name: str) -> list[str]:
    """What follows an instruction of the Dockerfile, for each of that name."""
    return re.findall(rf"^{name} +(.*)", DOCKERFILE, re.MULTILINE)


def test_nginx_knows_the_replicas_by_name_port_and_cookie() -> None:
    found = set(re.findall(r"^ *server ([\w.-]+):(\d+)", NGINX, re.MULTILINE))
    assert len(REPLICAS) == 2 and found == {(name, instructions("EXPOSE")[0]) for name in REPLICAS}
    cookies = set(re.findall(r"^ +(\w+) +artcore_\1;", NGINX, re.MULTILINE))
    assert cookies == {service["environment"]["ARTCORE_REPLICA"] for service in REPLICAS.values()}
    for name, service in REPLICAS.items():  # the first of its pool is the replica itself
        cookie = service["environment"]["ARTCORE_REPLICA"]
        pool = re.search(rf"upstream artcore_{cookie} {{(.*?)}}", NGINX, re.DOTALL)[1]
        assert re.findall(r"server ([\w-]+):\d+(.*?);", pool)[0][0] == name
        assert re.findall(r"server ([\w-]+):\d+ backup;", pool) == [other for other in REPLICAS if other != name]
    assert int(re.search(r"client_max_body_size (\d+)m;", NGINX)[1]) == server.Settings().upload


def test_what_the_containers_run_is_a_command_of_ours() -> None:
    entry = json.loads(instructions("ENTRYPOINT")[0])
    assert entry[:3] == ["python", "-m", "artcore"]
    for service in REPLICAS.values():
        args = shell._parser().parse_args([*entry[3:], *service["command"]])
        assert (args.command, args.host, str(args.port)) == ("serve", "0.0.0.0", instructions("EXPOSE")[0])
        assert args.grace < int(service["stop_grace_period"].rstrip("s"))  # or jobs would be killed in it
    assert f":{instructions('EXPOSE')[0]}/readyz" in instructions("HEALTHCHECK")[0]


def test_what_compose_names_is_there() -> None:
    services, (subnet,) = COMPOSE["services"], COMPOSE["networks"]["hub"]["ipam"]["config"]
    for service in REPLICAS.values():
        assert set(service["build"]["args"]) <= {name.partition("=")[0] for name in instructions("ARG")}
    addresses = {service["networks"]["hub"]["ipv4_address"] for service in REPLICAS.values()}
    assert len(addresses) == 2
    assert all(ipaddress.ip_address(address) in ipaddress.ip_network(subnet["subnet"]) for address in addresses)
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        for source, *_ in (volume.split(":") for volume in service.get("volumes", ())):
            assert (REPO / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"], source


def test_what_the_image_copies_is_there_and_nothing_else_is_sent() -> None:
    copied = {source for line in instructions("COPY") for source in shlex.split(line)[:-1]}
    sent = [line for line in (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert sent[0] == "*"  # nothing but what follows
    assert {line[1:] for line in sent if line.startswith("!")} == copied
    assert all((REPO / source).exists() for source in copied)
    assert sent[-1] == "**/__pycache__"

#!/usr/bin/env python3
"""Write dmarc.toml into the folder of a simulated world.

A world is a folder with `config.json` (what its Domain Owner would know: own domains, own addresses, the
authserv-id of the own mail server) and `ptr.tsv` (host names, so that a run asks no name server and repeats).
Both become the configuration that `dmarc findings --config WORLD/dmarc.toml` reads.

Example:
  world-config.py /tmp/w/1 /tmp/w/2
"""

import argparse
import ipaddress
import json
import pathlib


def configuration(config):
    """The text of dmarc.toml for what the Domain Owner knows."""
    addresses = [ipaddress.ip_address(ip) for domain in config["domains"] for ip in domain["own_ips"]]
    networks = [str(ipaddress.ip_network(address)) for address in addresses]  # one host each: /32 or /128
    return "\n".join([
        "[owner]",
        f"domains = {array(domain['domain'] for domain in config['domains'])}",
        f"networks = {array(networks)}",
        f"trusted_authserv_ids = {array(config['trusted_authserv_ids'])}",
        "",
        "[lookup]",
        'hosts_file = "ptr.tsv"',
        "",
    ])


def array(values):
    """A TOML array of strings, one a line: JSON strings are valid TOML strings."""
    return "[\n" + "".join(f"  {json.dumps(value)},\n" for value in values) + "]"


def write(world):
    """Write `world`/dmarc.toml and return its path."""
    world = pathlib.Path(world)
    path = world / "dmarc.toml"
    path.write_text(configuration(json.loads((world / "config.json").read_text())))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", metavar="WORLD", nargs="+", help="folder with config.json and ptr.tsv")
    for world in parser.parse_args().worlds:
        print(write(world))


if __name__ == "__main__":
    main()

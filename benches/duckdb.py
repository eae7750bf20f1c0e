#!/usr/bin/env python3
"""The key figures of a dataset as DuckDB computes them: what `dmarc findings` is measured against and compared with.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install duckdb
    /tmp/venv/bin/python benches/duckdb.py DIR [--threads 2] [--domain NAME] [--json]

DIR is a dataset at rest. Two queries, each over all aggregate segments: per policy domain the messages, those that
passed and failed DMARC, those that failed and were delivered, reports and reporters; and the hundred hosts with the
most failing messages. That is less than findings need: no stream, no cluster, no name of a host. Prints the time of
each and the peak memory of the process, Python included; with --json, everything as one line, key figures by organizational domain.
"""

import argparse
import json
import os
import resource
import sys
import time

# This file has the name of the module: look for that elsewhere.
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
import duckdb  # noqa: E402

KEY_FIGURES = """
SELECT policy_domain, count(*) AS records, sum(message_count)::UBIGINT AS messages,
  coalesce(sum(message_count) FILTER (dkim_aligned OR spf_aligned), 0)::UBIGINT AS dmarc_pass,
  coalesce(sum(message_count) FILTER (NOT (dkim_aligned OR spf_aligned)), 0)::UBIGINT AS dmarc_fail,
  coalesce(sum(message_count) FILTER (NOT (dkim_aligned OR spf_aligned) AND is_delivered), 0)::UBIGINT AS delivered_failing,
  count(DISTINCT report_key) AS reports, list(DISTINCT reporter) AS reporters
FROM read_parquet($files) {where} GROUP BY policy_domain ORDER BY policy_domain"""
WORST_HOSTS = """
SELECT source_ip, sum(message_count)::UBIGINT AS messages
FROM read_parquet($files) WHERE NOT (dkim_aligned OR spf_aligned) {and_where}
GROUP BY source_ip ORDER BY messages DESC, source_ip LIMIT 100"""
SUMS = ["records", "messages", "dmarc_pass", "dmarc_fail", "delivered_failing", "reports"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", metavar="DIR")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--domain", help="only this organizational domain and what is below it")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    connection = duckdb.connect(config={"threads": args.threads})
    given = {"files": os.path.join(args.dataset, "records/kind=aggregate/**/*.parquet")}
    where = and_where = ""
    if args.domain:
        given["domain"] = args.domain
        condition = "(policy_domain = $domain OR policy_domain LIKE '%.' || $domain)"
        where, and_where = "WHERE " + condition, "AND " + condition
    domains, figures_seconds = timed(connection, KEY_FIGURES.format(where=where), given)
    hosts, hosts_seconds = timed(connection, WORST_HOSTS.format(and_where=and_where), given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer = {
        "duckdb": duckdb.__version__, "threads": args.threads, "figures_seconds": figures_seconds,
        "hosts_seconds": hosts_seconds, "peak_bytes": peak, "domains": by_organization(domains), "hosts": hosts,
    }
    if args.json:
        print(json.dumps(answer))
        return
    for name, figures in sorted(answer["domains"].items(), key=lambda item: -item[1]["messages"])[:20]:
        print(f"{name:<32}", *(f"{key} {value}" for key, value in figures.items()))
    print(f"{len(domains)} policy domains in {figures_seconds:.2f} s, {len(hosts)} hosts in {hosts_seconds:.2f} s, "
          f"{args.threads} threads, peak {peak / 2**20:.0f} MiB, DuckDB {duckdb.__version__}")


def timed(connection, query, given):
    begun = time.perf_counter()
    rows = connection.execute(query, given).fetchall()
    return rows, time.perf_counter() - begun


def by_organization(rows):
    """Key figures of organizational domains, as `dmarc findings` gives them: those of their policy domains together."""
    domains = {}
    for policy_domain, *sums, reporters in rows:
        figures = domains.setdefault(organizational(policy_domain), dict.fromkeys(SUMS, 0) | {"reporters": set()})
        for name, value in zip(SUMS, sums):
            figures[name] += value
        figures["reporters"].update(reporters)
    for figures in domains.values():
        figures["reporters"] = len(figures["reporters"])
    return domains


def organizational(domain):
    """The organizational domain of the names that `generate` makes: below .example and .co.uk."""
    labels = domain.split(".")
    return ".".join(labels[-3:] if domain.endswith(".co.uk") else labels[-2:])


if __name__ == "__main__":
    main()

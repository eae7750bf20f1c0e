#!/usr/bin/env python3
"""Run `dmarc parse` over a corpus of foreign reports and compare with what an independent parser counted.

The corpus is a folder of any files with INDEX.tsv (one line a document) and TRUTH.jsonl (one object a report:
`file` and the fields compared here, or `strict_error` where the other parser gave up). It is not part of this
repository. Each file is one run, so a panic or a signal has a name; exit codes other than 0 and 3 are failures.

Values are compared after trimming; domains, addresses and vocabulary without regard to case; absent equals empty.
For a file with several reports, reports pair by id, then by position.

Prints outcomes by what the index says the file is, every disagreement, and the totals. Exit code 1 on a panic,
a signal or an unexpected exit code; disagreements are for reading.

Example:
  compare-corpus.py CORPUS --dmarc target/release/dmarc
  compare-corpus.py CORPUS --json > corpus.json
"""

import argparse
import csv
import email.utils
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

ROOT = pathlib.Path(__file__).resolve().parent.parent
METADATA = {"INDEX.tsv", "PROVENANCE.tsv", "TRUTH.jsonl", "derived/SOURCES.tsv"}


# ---- what a report of ours says, under the names of TRUTH.jsonl -------------------

def aggregate(report):
    meta, policy, period = report["report_metadata"], report["policy_published"], report["report_metadata"]["date_range"]
    rejected = [entry["record"] for entry in report.get("rejected_records", [])]
    records = report["records"]
    out = {
        "org_name": meta.get("org_name"), "email": meta.get("email"), "report_id": meta.get("report_id"),
        "begin": period["begin"], "end": period["end"],
        "domain": policy.get("domain"), "version": report.get("version"), "xmlns": report.get("namespace"),
        **{key: policy.get(key) for key in ("p", "sp", "np", "pct", "adkim", "aspf", "testing")},
        "records": len(records) + len(rejected),
    }
    messages, dispositions, header_from = Counter(), Counter(), Counter()
    for record in records:
        row = record["row"]
        count, evaluated = row["count"], row["policy_evaluated"]
        dkim, spf = (fold(evaluated.get(key)) == "pass" for key in ("dkim", "spf"))
        messages["total"] += count
        messages["dmarc_pass" if dkim or spf else "dmarc_fail"] += count
        messages["dkim_aligned"] += count * dkim
        messages["spf_aligned"] += count * spf
        dispositions[evaluated.get("disposition")] += count
        header_from[record["identifiers"].get("header_from")] += count
    out |= {key: messages[key] for key in ("total", "dmarc_pass", "dmarc_fail", "dkim_aligned", "spf_aligned")}
    out |= {"dispositions": dict(dispositions), "header_from": dict(header_from)}
    everything = records + rejected
    out["source_ips"] = len({r["row"].get("source_ip") for r in everything} - {None})
    out["reasons"] = sum(len(r["row"]["policy_evaluated"].get("reason", [])) for r in everything)
    out["auth_dkim"] = sum(len(r["auth_results"].get("dkim", [])) for r in everything)
    out["auth_spf"] = sum(len(r["auth_results"].get("spf", [])) for r in everything)
    return out


def tlsrpt(report):
    policies, period = report.get("policies", []), report.get("date-range", {})
    details = [detail for policy in policies for detail in policy.get("failure-details", [])]
    results = Counter()
    for detail in details:
        results[detail["result-type"]] += detail["failed-session-count"]
    return {
        "org_name": report.get("organization-name"), "report_id": report.get("report-id"),
        "contact": report.get("contact-info"),
        "begin": period.get("start-datetime"), "end": period.get("end-datetime"), "policies": len(policies),
        "success": sum(policy["summary"]["total-successful-session-count"] for policy in policies),
        "failure": sum(policy["summary"]["total-failure-session-count"] for policy in policies),
        "failure_details": len(details), "failure_details_sum": sum(results.values()),
        "policy_types": dict(Counter(policy["policy"].get("policy-type") for policy in policies)),
        "result_types": dict(results), "domains": [policy["policy"].get("policy-domain") for policy in policies],
    }


def failure(report):
    return {key: report.get(key) for key in (
        "feedback_type", "user_agent", "version", "auth_failure", "delivery_result", "identity_alignment", "reported_domain",
        "source_ip", "arrival_date", "original_mail_from", "incidents")}


READERS = {"aggregate": aggregate, "tlsrpt": tlsrpt, "failure": failure, "arf": failure}


# ---- one form for every value -----------------------------------------------------

FOLDED = {"domain", "p", "sp", "np", "adkim", "aspf", "testing", "source_ip", "feedback_type", "auth_failure", "delivery_result",
          "identity_alignment", "reported_domain", "domains"}


def fold(value):
    return value.strip().casefold() if isinstance(value, str) else value


def normal(field, value):
    """A value of either side in the form in which it is compared."""
    if isinstance(value, dict):  # counters: an absent key is written in several ways, a count of 0 says nothing
        counts = Counter()
        for key, count in value.items():
            counts[fold(key) if key not in (None, "(absent)") else ""] += count
        return {key: count for key, count in sorted(counts.items()) if count}
    if field in ("begin", "end"):
        return instant(value)
    if field == "arrival_date":
        return mail_date(value)
    if field == "original_mail_from" and isinstance(value, str):
        value = value.strip().strip("<>")
    if field == "incidents":
        return int(value or 1)  # absent stands for one message
    if field in ("reported_domain", "identity_alignment"):
        value = value.split(",") if isinstance(value, str) else value or []
    if isinstance(value, list):
        return sorted(filter(None, (fold(item) for item in value)))
    if isinstance(value, str):
        value = " ".join(value.split())
        return (fold(value) if field in FOLDED else value) or None
    return value


def instant(value):
    """Seconds since the Unix epoch: from a number, or a date of RFC 3339 without or with an offset."""
    text = str(value or "").strip()
    try:
        return int(float(text)) or None
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text or None
    return int((when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp())


def mail_date(value):
    if isinstance(value, (int, float)) or value is None:
        return value
    try:
        return int(email.utils.parsedate_to_datetime(value.strip()).timestamp())
    except ValueError:
        return value.strip()


# ---- the run ----------------------------------------------------------------------

class Outcome:
    """What one run of `dmarc parse` said about one file."""

    def __init__(self, binary, corpus, name):
        self.file = name
        done = subprocess.run([binary, "parse", corpus / name], capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        self.code = done.returncode
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.reports = [line for line in lines if line["outcome"] == "parsed"]
        self.refused = [line for line in lines if line["outcome"] == "refused"]
        self.quirks = Counter(quirk["code"] for line in self.reports for quirk in line.get("quirks", []))
        talk = done.stderr.decode(errors="replace").strip().splitlines()
        self.broken = f"exit code {self.code}: {' '.join(talk[-1:])}" if self.code not in (0, 3) else None
        if self.broken:
            self.result = "broken"
        elif self.reports and self.refused:
            self.result = "mixed"
        else:
            self.result = "parsed" if self.reports else "refused" if self.refused else "not a report"


def kinds_of(corpus):
    """file -> what INDEX.tsv says it is."""
    kinds = defaultdict(set)
    with open(corpus / "INDEX.tsv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            kinds[row["file"]].add(row["kind"])
    return {file: "+".join(sorted(names)) for file, names in kinds.items()}


def truth_of(corpus):
    """file -> reports that the other parser read, and file -> why it gave up."""
    reports, errors = defaultdict(list), {}
    with open(corpus / "TRUTH.jsonl", encoding="utf-8") as file:
        for entry in map(json.loads, file):
            if "strict_error" in entry:
                errors[entry["file"]] = entry["strict_error"]
            else:
                reports[entry["file"]].append(entry)
    return reports, errors


def disagreements(outcome, truths):
    """(field, theirs, ours) of every report of one file."""
    left = list(outcome.reports)
    for truth in truths:
        kind = truth["kind"]
        fitting = [line for line in left if line["kind"] == ("failure" if kind == "arf" else kind)]
        if not fitting:
            if kind != "arf" or outcome.result != "not a report":  # feedback other than auth-failure need not be read
                yield "report", f"{kind} {truth.get('report_id') or ''}".strip(), outcome.result
            continue
        same_id = [line for line in fitting if normal("report_id", READERS[kind](line["report"]).get("report_id"))
                   == normal("report_id", truth.get("report_id"))]
        line = (same_id or fitting)[0]
        left.remove(line)
        for field, ours in READERS[kind](line["report"]).items():
            if normal(field, truth.get(field)) != normal(field, ours):
                yield field, truth.get(field), ours
    for line in left:
        yield "report", None, f"one more {line['kind']}"


def print_text(outcomes, kinds, errors, found):
    results = ["parsed", "mixed", "refused", "not a report", "broken"]
    table = Counter((kinds.get(o.file, "(not in the index)"), o.result) for o in outcomes)
    print(f"{'':34}" + "".join(f"{result:>14}" for result in results))
    for kind in sorted({kind for kind, _ in table}):
        print(f"{kind:34}" + "".join(f"{table[kind, result] or '.':>14}" for result in results))
    print(f"{'total of ' + str(len(outcomes)) + ' files':34}"
          + "".join(f"{sum(o.result == result for o in outcomes):>14}" for result in results))
    print("\nrefused")
    for o in outcomes:
        for line in o.refused:
            error = line["error"]
            print(f"  {o.file}: {error['code']}: {error['message']}")
    print("\ngiven up by the other parser, and ours")
    for o in outcomes:
        if o.file in errors:
            print(f"  {o.result:13} {o.file}: {errors[o.file]}")
    print("\nquirks, files")
    for code, number in Counter(code for o in outcomes for code in o.quirks).most_common():
        print(f"  {number:5} {code}")
    print("\ndisagreements")
    for entry in found:
        print(f"  {entry['file']}\n      {entry['field']}: theirs {entry['theirs']!r}, ours {entry['ours']!r}")
    by_field = ", ".join(f"{field} {number}" for field, number in Counter(e["field"] for e in found).most_common())
    print(f"\n{len(found)} disagreements in {len({e['file'] for e in found})} files ({by_field or 'none'})")
    for o in outcomes:
        if o.broken:
            print(f"BROKEN {o.file}: {o.broken}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--dmarc", default=ROOT / "target/release/dmarc", help="the binary (default target/release/dmarc)")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of text")
    args = parser.parse_args()
    binary = shutil.which(os.path.abspath(args.dmarc))
    if not binary:
        parser.error(f"no program at {args.dmarc}: build it with `cargo build --release`")

    corpus = args.corpus
    files = sorted(str(path.relative_to(corpus)) for path in corpus.rglob("*") if path.is_file())
    files = [name for name in files if name not in METADATA]
    kinds = kinds_of(corpus)
    missing = sorted(kinds.keys() - set(files))
    if missing:
        parser.error(f"{len(missing)} files of INDEX.tsv are missing, first {missing[0]}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(lambda name: Outcome(binary, corpus, name), files))
    truths, errors = truth_of(corpus)
    found = [{"file": o.file, "field": field, "theirs": theirs, "ours": ours}
             for o in outcomes if o.file in truths
             for field, theirs, ours in disagreements(o, truths[o.file])]
    if args.json:
        json.dump({"files": [{"file": o.file, "kind": kinds.get(o.file), "result": o.result, "exit_code": o.code,
                              "reports": len(o.reports), "refused": [line["error"] for line in o.refused],
                              "quirks": dict(o.quirks), "other_parser": errors.get(o.file)} for o in outcomes],
                   "disagreements": found}, sys.stdout, indent=1)
        print()
    else:
        print_text(outcomes, kinds, errors, found)
    sys.exit(1 if any(o.broken for o in outcomes) else 0)


if __name__ == "__main__":
    main()

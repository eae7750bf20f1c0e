#!/usr/bin/env python3
"""Compare `dmarc findings` with the truth of simulated worlds.

A world is a folder with Maildir/ (or new/ itself), truth.json, ptr.tsv, and config.json or dmarc.toml.

Checked exactly, exit code 1 if one fails:
  messages, dmarc_pass, dmarc_fail and records of every domain; duplicates; untrusted (forged) reports;
  exit code 0 or 3; peak memory below 100 MB; at most 12 findings a domain without --all;
  the same bytes in two runs, and the same domains and findings whatever the order and names of the files.

Scored: which (domain, source address) pairs are unauthorised. A source is called unauthorised when a finding of
class unauthorized.spoof, unauthorized.unknown or suspect.replay lists it. Precision and recall are printed by
source and by message (a source weighs the messages that truth.json gives it), also for unauthorized.spoof alone;
then truth kind x worst class, and every legitimate source that is called unauthorized.spoof.

Example:
  score-worlds.py /tmp/w/* --dmarc target/release/dmarc
  score-worlds.py testdata/mailbox
"""

import argparse
import importlib.util
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_MEMORY = 100_000_000
MAX_FINDINGS = 12
# Worst first: the class that a source is counted under when several findings list it.
CLASSES = ["unauthorized.spoof", "suspect.replay", "unauthorized.unknown", "legit.broken", "third_party.unaligned",
           "forwarded.modified", "forwarded.intact", "authorized", "insufficient"]
UNAUTHORISED = {"unauthorized.spoof", "unauthorized.unknown", "suspect.replay"}
SPOOF = {"unauthorized.spoof"}


class Run:
    """One run of the program: its output, exit code (negative: a signal) and peak memory in bytes."""

    def __init__(self, binary, arguments):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen([binary, *map(str, arguments)], stdout=out, stderr=err, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = self.code = os.waitstatus_to_exitcode(status)
            self.memory = usage.ru_maxrss * 1024
            out.seek(0), err.seek(0)
            self.bytes, self.talk = out.read(), err.read().decode(errors="replace")

    def json(self):
        return json.loads(self.bytes)


class World:
    """A world, what was found in it, and which exact checks failed."""

    def __init__(self, folder, binary, configured, once):
        self.folder, self.binary = pathlib.Path(folder), binary
        self.name = self.folder.name
        self.truth = json.loads((self.folder / "truth.json").read_text())
        maildir = self.folder / "Maildir"
        self.maildir = maildir if maildir.is_dir() else self.folder
        self.configured, self.once, self.failed, self.notes = configured, once, [], []
        self.most = None
        self.options = ["--config", self.config()] if configured else []

    def config(self):
        path = self.folder / "dmarc.toml"
        return path if path.exists() else load_script("world-config").write(self.folder)

    def check(self, what, ours, truth):
        if ours != truth:
            self.failed.append(f"{what}: found {ours}, truth {truth}")

    def findings(self, *paths, all=True):
        run = Run(self.binary, ["findings", *paths, *self.options, *["--all"] * all, "--format", "json"])
        if run.code not in (0, 3):
            last = run.talk.strip().splitlines()[-1:]
            self.failed.append(f"exit code {run.code} {' '.join(last)}")
            return None
        return run

    def judge(self):
        """Run, check, and return whether there is something to score."""
        first = self.findings(self.maildir)
        if first is None:
            return False
        self.found = first.json()
        self.memory = first.memory
        if self.memory >= MAX_MEMORY:
            self.failed.append(f"peak memory {self.memory / 1e6:.0f} MB")
        if self.configured:
            self.check_totals()
        if self.once:
            return True
        self.check_brevity()
        again = self.findings(self.maildir)
        if again and again.bytes != first.bytes:
            self.failed.append("two runs differ")
        self.check_order(first)
        return True

    def check_totals(self):
        ours = {entry["domain"]: entry for entry in self.found["domains"]}
        for domain, truth in self.truth["domains"].items():
            for key in ("messages", "dmarc_pass", "dmarc_fail", "records"):
                self.check(f"{domain} {key}", ours.get(domain, {}).get(key), truth.get(key, 0))
        for domain in sorted(ours.keys() - self.truth["domains"].keys()):
            self.notes.append(f"a domain that is not in truth.json: {domain}")
        counts, inputs = self.truth["counts"], self.found["inputs"]
        self.check("duplicates", inputs["duplicates"], counts.get("aggregate_duplicates", 0))
        self.check("untrusted", inputs["untrusted"], counts.get("forged", 0))

    def check_brevity(self):
        run = self.findings(self.maildir, all=False)
        per_domain = Counter(finding["domain"] for finding in run.json()["findings"]) if run else Counter()
        self.most = max(per_domain.values(), default=0)
        for domain, number in sorted(per_domain.items()):
            if number > MAX_FINDINGS:
                self.failed.append(f"{domain}: {number} findings without --all")

    def check_order(self, first):
        """The same mails as single paths in another order, and in a Maildir of other names."""
        mails = sorted(path for box in ("new", "cur") for path in (self.maildir / box).glob("[!.]*"))
        random.Random(0).shuffle(mails)
        # Labels of mails differ by how their paths are given: the same labels everywhere, then the same bytes.
        shuffled = self.findings(*mails)
        self.compare_order(first, "shuffled paths", shuffled, {f"{self.maildir}/": ""})
        with tempfile.TemporaryDirectory() as copy:
            for box in ("new", "cur", "tmp"):
                os.mkdir(os.path.join(copy, box))
            names = {}
            for n, mail in enumerate(mails):
                names[f"new/{n:06}.renamed"] = f"{mail.parent.name}/{mail.name}"
                shutil.copyfile(mail, os.path.join(copy, "new", f"{n:06}.renamed"))
            self.compare_order(first, "renamed files", self.findings(copy), names)

    def compare_order(self, first, what, run, labels):
        if run is None:
            return
        text = run.bytes.decode()
        for label, canonical in labels.items():
            text = text.replace(label, canonical)
        if text.encode() == first.bytes:
            return
        ours, theirs = first.json(), json.loads(text)
        differ = [key for key in ours if ours[key] != theirs.get(key)]
        serious = "domains" in differ or "findings" in differ
        (self.failed if serious else self.notes).append(f"{what}: other bytes in {', '.join(differ) or 'layout'}")

    # ---- scores -------------------------------------------------------------------

    def classes(self):
        """(domain, address) -> the classes of the findings that list it."""
        listed = defaultdict(set)
        for finding in self.found["findings"]:
            for ip in (finding.get("source") or {}).get("ips", []):
                listed[finding["domain"], ip].add(finding["class"])
        return listed

    def score(self):
        listed, tally, bugs, missed = self.classes(), Tally(), [], []
        for source in self.truth["sources"]:
            classes = listed.get((source["domain"], source["source_ip"]), set())
            guilty, messages = source["verdict"] == "unauthorized", source["messages"]
            tally.add("unauthorised", guilty, bool(classes & UNAUTHORISED), messages)
            tally.add("spoof only", guilty, bool(classes & SPOOF), messages)
            tally.confusion[source["kind"], worst(classes)] += 1
            if not guilty and classes & SPOOF:
                bugs.append(source)
            if guilty and not classes & UNAUTHORISED:
                missed.append((source, worst(classes)))
        return tally, bugs, missed


class Tally:
    """Counts of right and wrong calls, by source and by message."""

    def __init__(self):
        self.calls = defaultdict(Counter)
        self.confusion = Counter()

    def add(self, what, guilty, called, messages):
        cell = {(True, True): "tp", (False, True): "fp", (True, False): "fn", (False, False): "tn"}[guilty, called]
        self.calls[what, "source"][cell] += 1
        self.calls[what, "message"][cell] += messages

    def merge(self, other):
        for key, counts in other.calls.items():
            self.calls[key].update(counts)
        self.confusion.update(other.confusion)

    def line(self, what):
        parts = []
        for unit in ("source", "message"):
            counts = self.calls[what, unit]
            parts.append(f"by {unit}: precision {ratio(counts['tp'], counts['fp'])} recall {ratio(counts['tp'], counts['fn'])}"
                         f" (+{counts['tp']} wrong {counts['fp']} missed {counts['fn']})")
        return f"{what:13}" + "   ".join(parts)


def ratio(right, wrong):
    return f"{100 * right / (right + wrong):6.2f}%" if right + wrong else "      –"


def worst(classes):
    """The worst of `classes`; a class not known here comes last, no class is `(none)`."""
    rank = lambda name: CLASSES.index(name) if name in CLASSES else len(CLASSES)
    return min(sorted(classes), key=rank, default="(none)")


def print_confusion(confusion):
    columns = [name for name in [*CLASSES, "(none)"] if any(c == name for _, c in confusion)]
    columns += sorted({c for _, c in confusion} - set(columns))
    print("\ntruth kind x worst class, sources")
    print(f"{'':19}" + " ".join(f"{name.split('.')[-1][:11]:>11}" for name in columns))
    for kind in sorted({kind for kind, _ in confusion}):
        print(f"{kind:19}" + " ".join(f"{confusion[kind, name] or '.':>11}" for name in columns))


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def describe(source):
    return (f"{source['domain']} {source['source_ip']} {source['kind']} ptr={source['ptr'] or '-'} "
            f"{source['messages']} messages, {source['dmarc_fail']} failing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", metavar="WORLD", nargs="+")
    parser.add_argument("--dmarc", default=ROOT / "target/release/dmarc", help="the binary (default target/release/dmarc)")
    parser.add_argument("--no-config", action="store_true", help="run without configuration: totals are not checked")
    parser.add_argument("--once", action="store_true", help="one run a world: brevity, repetition and order are not checked")
    args = parser.parse_args()
    binary = shutil.which(os.path.abspath(args.dmarc))
    if not binary:
        parser.error(f"no program at {args.dmarc}: build it with `cargo build --release`")

    total, failures, all_bugs, all_missed = Tally(), 0, [], []
    for folder in args.worlds:
        world = World(folder, binary, not args.no_config, args.once)
        if world.judge():
            tally, bugs, missed = world.score()
            total.merge(tally)
            all_bugs += [(world.name, bug) for bug in bugs]
            all_missed += [(world.name, *miss) for miss in missed]
            inputs = " ".join(f"{key}={value}" for key, value in world.found["inputs"].items())
            most = "" if world.most is None else f"at most {world.most} findings a domain   "
            print(f"== {world.name}   {world.memory / 1e6:.0f} MB   {most}{inputs}")
            print(tally.line("unauthorised"), tally.line("spoof only"), sep="\n")
        else:
            print(f"== {world.name}")
        for problem in world.failed:
            print(f"FAILED {problem}")
        for note in world.notes:
            print(f"note   {note}")
        failures += len(world.failed)

    print(f"\n== total of {len(args.worlds)} worlds")
    print(total.line("unauthorised"), total.line("spoof only"), sep="\n")
    print_confusion(total.confusion)
    print(f"\nlegitimate sources called unauthorized.spoof (each is a bug): {len(all_bugs)}")
    for name, source in all_bugs:
        print(f"  {name}: {describe(source)}")
    print(f"unauthorised sources not found: {len(all_missed)}")
    for name, source, called in all_missed[:40]:
        print(f"  {name}: {describe(source)}, called {called}")
    print(f"\nexact checks failed: {failures}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compare `dmarc findings` with the truth of simulated worlds.

A world is a folder with Maildir/ (or new/ itself), truth.json, ptr.tsv, and config.json or dmarc.toml. It is judged in
one or more modes: with all that its owner knows (full), without [owner] (no-owner: reports are then unverified and own
hosts undeclared), without names of hosts (no-lookup), without either (bare).

Checked exactly, exit code 1 if one fails:
  messages, dmarc_pass, dmarc_fail and records of every domain; duplicates; untrusted (forged) reports, all in the
  modes that know the owner; exit code 0 or 3; peak memory below 100 MB; at most 12 findings a domain that ask for
  something; no legitimate source called unauthorized.spoof;
  unless --once: the same bytes in two runs, and the same domains and findings whatever the order and names of files.

Scored, in total over all worlds, for each mode: each (domain, source address) of the truth is called what the worst
class of the findings that list it says: unauthorized (unauthorized.*, suspect.replay), misconfigured (legit.broken,
third_party.unaligned), forwarded (forwarded.*). Precision and recall of each, by source and by message (a source weighs
the messages that truth.json gives it). --targets makes a missed target, or a botnet that is not one finding, exit code 1.
Left out of the scores but counted: misconfigured sources of which no mail ever failed, for nobody can see them. Sources
of fewer than 3 messages are in the scores; what the scores are without them is printed too.

Example:
  score-worlds.py /tmp/w/* --mode all --once --targets --dmarc target/release/dmarc
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
import tomllib
from collections import Counter, defaultdict

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_MEMORY = 100_000_000
MAX_FINDINGS = 12
TINY = 3
# Which sections of the configuration a mode keeps.
MODES = {"full": {"owner", "lookup"}, "no-owner": {"lookup"}, "no-lookup": {"owner"}, "bare": set()}
# Worst first: the class that a source is counted under when several findings list it.
CLASSES = ["unauthorized.spoof", "suspect.replay", "unauthorized.unknown", "legit.broken", "third_party.unaligned",
           "forwarded.modified", "forwarded.intact", "authorized", "insufficient"]
QUIET = {"authorized", "forwarded.intact"}
SPOOF = "unauthorized.spoof"
VERDICTS = {"unauthorized": {SPOOF, "suspect.replay", "unauthorized.unknown"},
            "forwarded": {"forwarded.intact", "forwarded.modified"},
            "misconfigured": {"legit.broken", "third_party.unaligned"}}
# Precision and recall that are asked for, by source and by message.
TARGETS = {"unauthorized": 0.99, "forwarded": 0.97, "misconfigured": 0.97}


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
    """A world in one mode, what was found in it, and which exact checks failed."""

    def __init__(self, folder, binary, mode, once):
        self.folder, self.binary, self.mode = pathlib.Path(folder), binary, mode
        self.name = self.folder.name
        self.truth = json.loads((self.folder / "truth.json").read_text())
        maildir = self.folder / "Maildir"
        self.maildir = maildir if maildir.is_dir() else self.folder
        self.once, self.failed, self.notes = once, [], []
        self.most = None

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
        with tempfile.TemporaryDirectory() as folder:
            config = self.config() if self.mode == "full" else part_of(self.config(), MODES[self.mode], folder)
            self.options = ["--config", config]
            return self.judge_configured()

    def judge_configured(self):
        first = self.findings(self.maildir)
        if first is None:
            return False
        self.found = first.json()
        self.memory = first.memory
        if self.memory >= MAX_MEMORY:
            self.failed.append(f"peak memory {self.memory / 1e6:.0f} MB")
        if "owner" in MODES[self.mode]:
            self.check_totals()
        self.check_brevity()
        if self.once:
            return True
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
        """Without --all the program shows 12 of a domain at most: what counts is that no more ask for something."""
        asking = [finding for finding in self.found["findings"] if finding["class"] not in QUIET]
        per_domain = Counter(finding["domain"] for finding in asking)
        self.most = max(per_domain.values(), default=0)
        for domain, number in sorted(per_domain.items()):
            if number > MAX_FINDINGS:
                self.failed.append(f"{domain}: {number} findings that ask for something")

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

    def score(self):
        listed = defaultdict(list)
        for finding in self.found["findings"]:
            for ip in (finding.get("source") or {}).get("ips", []):
                listed[finding["domain"], ip].append(finding)
        score = Score()
        campaigns = defaultdict(set)
        for source in self.truth["sources"]:
            findings = listed[source["domain"], source["source_ip"]]
            called = worst({finding["class"] for finding in findings})
            score.add(self.name, source, called)
            if called == SPOOF and source["verdict"] != "unauthorized":
                self.failed.append(f"a legitimate source called {SPOOF}: {describe(source)}")
            if source["kind"] == "spoof_botnet":
                campaigns[source["domain"]] |= {f["id"] for f in findings} or {"no finding"}
        score.campaigns = [(self.name, domain, sorted(ids)) for domain, ids in campaigns.items()]
        return score


class Score:
    """Counts of right and wrong calls, by source and by message."""

    def __init__(self):
        # (verdict, unit, whether tiny) -> right, wrong and missed calls
        self.calls = defaultdict(Counter)
        self.confusion, self.errors, self.campaigns, self.invisible = defaultdict(Counter), [], [], []

    def add(self, world, source, called):
        kind, messages = source["kind"], source["messages"]
        self.confusion["source"][kind, called] += 1
        self.confusion["message"][kind, called] += messages
        if source["verdict"] == "misconfigured" and not source["dmarc_fail"]:
            self.invisible.append((world, source, called))
            return
        if called not in VERDICTS.get(source["verdict"], {"authorized"}):
            self.errors.append((world, source, called))
        for verdict, classes in VERDICTS.items():
            outcome = {(True, True): "right", (False, True): "wrong", (True, False): "missed",
                       (False, False): None}[source["verdict"] == verdict, called in classes]
            if outcome:
                self.calls[verdict, "source", messages < TINY][outcome] += 1
                self.calls[verdict, "message", messages < TINY][outcome] += messages

    def merge(self, other):
        for key, counts in other.calls.items():
            self.calls[key].update(counts)
        for unit, counts in other.confusion.items():
            self.confusion[unit].update(counts)
        self.errors += other.errors
        self.campaigns += other.campaigns
        self.invisible += other.invisible

    def counts(self, verdict, unit, with_tiny=True):
        counts = Counter(self.calls[verdict, unit, False])
        if with_tiny:
            counts.update(self.calls[verdict, unit, True])
        return counts

    def line(self, verdict, with_tiny=True):
        parts = []
        for unit in ("source", "message"):
            c = self.counts(verdict, unit, with_tiny)
            parts.append(f"by {unit}: precision {percent(c, 'wrong')} recall {percent(c, 'missed')}"
                         f" (+{c['right']} wrong {c['wrong']} missed {c['missed']})")
        return f"{verdict:14}" + "   ".join(parts)

    def lines(self, with_tiny=True):
        return "\n".join(self.line(verdict, with_tiny) for verdict in VERDICTS)

    def missed_targets(self):
        """What falls short, in words."""
        for verdict, target in TARGETS.items():
            for unit in ("source", "message"):
                counts = self.counts(verdict, unit)
                for what, bad in (("precision", "wrong"), ("recall", "missed")):
                    share = ratio(counts, bad)
                    if share is not None and share < target:
                        yield f"{verdict}: {what} by {unit} {100 * share:.2f}% is below {100 * target:.0f}%"
        for world, domain, ids in self.campaigns:
            if len(ids) != 1 or ids == ["no finding"]:
                yield f"{world} {domain}: the botnet is in {len(ids)} findings, {' '.join(ids)}"

    def print(self):
        print(self.lines())
        print(f"without sources of fewer than {TINY} messages:")
        print(self.lines(with_tiny=False))
        for unit in ("source", "message"):
            print_confusion(unit, self.confusion[unit])
        one = sum(len(ids) == 1 and ids != ["no finding"] for *_, ids in self.campaigns)
        print(f"\nbotnets that are one finding: {one} of {len(self.campaigns)}")
        never = Counter(called for *_, called in self.invisible)
        print(f"misconfigured sources that never failed, in no score: {len(self.invisible)} "
              + ", ".join(f"{called} {n}" for called, n in sorted(never.items())))
        missed = [error for error in self.errors if error[1]["verdict"] == "unauthorized"]
        legitimate = [error for error in self.errors if error[2] == SPOOF and error[1]["verdict"] != "unauthorized"]
        print(f"\nlegitimate sources called {SPOOF} (each is a bug): {len(legitimate)}")
        print(f"unauthorised sources not found: {len(missed)}")
        print(f"sources called other than what they are: {len(self.errors)}")
        for world, source, called in self.errors:
            print(f"  {world}: {describe(source)}, called {called}")


def ratio(counts, bad):
    total = counts["right"] + counts[bad]
    return counts["right"] / total if total else None


def percent(counts, bad):
    share = ratio(counts, bad)
    return "      –" if share is None else f"{100 * share:6.2f}%"


def worst(classes):
    """The worst of `classes`; a class not known here comes last, no class is `(none)`."""
    rank = lambda name: CLASSES.index(name) if name in CLASSES else len(CLASSES)
    return min(sorted(classes), key=rank, default="(none)")


def print_confusion(unit, confusion):
    columns = [name for name in [*CLASSES, "(none)"] if any(c == name for _, c in confusion)]
    columns += sorted({c for _, c in confusion} - set(columns))
    print(f"\ntruth kind x worst class, {unit}s")
    print(f"{'':19}" + " ".join(f"{name.split('.')[-1][:11]:>11}" for name in columns))
    for kind in sorted({kind for kind, _ in confusion}):
        print(f"{kind:19}" + " ".join(f"{confusion[kind, name] or '.':>11}" for name in columns))


def part_of(config, sections, folder):
    """Write a configuration with some `sections` of `config` into `folder`; it asks no name server."""
    lines, keep = [], False
    for line in config.read_text().splitlines():
        if line.startswith("["):
            keep = line.strip("[] ") in sections
        if keep:
            lines.append(line)
    if "lookup" not in sections:
        lines += ["[lookup]", "reverse_dns = false"]
    text = "\n".join(lines) + "\n"
    hosts = tomllib.loads(text)["lookup"].get("hosts_file")
    if hosts:
        text = text.replace(json.dumps(hosts), json.dumps(str(config.parent.resolve() / hosts)))
    path = pathlib.Path(folder) / "dmarc.toml"
    path.write_text(text)
    return path


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def describe(source):
    return (f"{source['domain']} {source['source_ip']} {source['kind']} ptr={source['ptr'] or '-'} "
            f"{source['messages']} messages, {source['dmarc_fail']} failing, days {source['first_day']}-{source['last_day']}")


def score_mode(mode, args, binary):
    """Score all worlds in one mode and print it; returns how many exact checks failed and which targets were missed."""
    total, failures = Score(), 0
    for folder in args.worlds:
        world = World(folder, binary, mode, args.once)
        if world.judge():
            score = world.score()
            total.merge(score)
            inputs = " ".join(f"{key}={value}" for key, value in world.found["inputs"].items())
            print(f"== {world.name} {mode}   {world.memory / 1e6:.0f} MB   at most {world.most} findings a domain   {inputs}")
            print(score.lines())
        else:
            print(f"== {world.name} {mode}")
        for problem in world.failed:
            print(f"FAILED {problem}")
        for note in world.notes:
            print(f"note   {note}")
        failures += len(world.failed)
        sys.stdout.flush()
    print(f"\n==== total of {len(args.worlds)} worlds, mode {mode}")
    total.print()
    return failures, [f"{mode}: {missed}" for missed in total.missed_targets()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", metavar="WORLD", nargs="+")
    parser.add_argument("--dmarc", default=ROOT / "target/release/dmarc", help="the binary (default target/release/dmarc)")
    parser.add_argument("--mode", choices=[*MODES, "all"], default="full", help="what is known; all: every mode but bare (default full)")
    parser.add_argument("--once", action="store_true", help="one run a world: repetition and order are not checked")
    parser.add_argument("--targets", action="store_true", help="exit code 1 when a target is missed")
    args = parser.parse_args()
    binary = shutil.which(os.path.abspath(args.dmarc))
    if not binary:
        parser.error(f"no program at {args.dmarc}: build it with `cargo build --release`")

    failures, missed = 0, []
    for mode in [mode for mode in MODES if mode != "bare"] if args.mode == "all" else [args.mode]:
        failed, short = score_mode(mode, args, binary)
        failures += failed
        missed += short
    print(f"\ntargets missed: {len(missed)}")
    for line in missed:
        print(f"  {line}")
    print(f"\nexact checks failed: {failures}")
    sys.exit(1 if failures or (args.targets and missed) else 0)


if __name__ == "__main__":
    main()

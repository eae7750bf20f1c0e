"""CPU time that parsedmarc takes for the same XML and the same mails: offline, no DNS, no GeoIP, one process.

Usage: time-parsedmarc.py FOLDER     what `dmarc-benches --write FOLDER` wrote
"""

import logging
import pathlib
import statistics
import sys
import time

import parsedmarc

logging.disable(logging.CRITICAL)
ROUNDS = 5


def xml(data):
    report = parsedmarc.parse_aggregate_report_xml(data.decode(), offline=True)
    return sum(record["count"] for record in report["records"]), len(report["records"])


def mail(data):
    report = parsedmarc.parse_report_email(data, offline=True)["report"]
    return sum(record["count"] for record in report["records"]), len(report["records"])


def measure(name, read, data, times):
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(times):
            messages, records = read(data)
        seconds.append((time.process_time() - start) / times)
    middle = statistics.median(seconds)
    print(f"{name:<22} parsedmarc {middle * 1e6:>12.1f} µs {middle / records * 1e6:>9.1f} µs a record,"
          f" {records} records, {messages} messages")


folder = pathlib.Path(sys.argv[1])
print("parsedmarc", parsedmarc.__version__)
for dialect in ["google", "microsoft", "rfc9990"]:
    measure(f"xml_1000 {dialect}", xml, (folder / f"xml_1000-{dialect}-0.xml").read_bytes(), 1)
measure("mail_gz_1", mail, (folder / "mail_gz_1-0.eml").read_bytes(), 20)

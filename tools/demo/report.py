# SPDX-License-Identifier: MIT
"""Turns the demo's measurements into a table, a JSON report and a verdict.

Usage: report.py MEASUREMENTS REPORT.json      Exit code 0 if the result is what it should be, else 1.
"""

import json
import sys

MIN_LOST_WITHOUT = 10.0   # percent, at the highest flood rate
MAX_LOST_WITH = 1.0       # percent
MAX_LATENCY_WITH = 2.0    # milliseconds


def parse(line):
    kind, *pairs = line.split()
    return kind, dict(pair.split("=", 1) for pair in pairs)


def side(values, before):
    """The figures of one measurement; `before` holds the counts at its start."""
    sent, lost = int(values["queries_sent"]), int(values["queries_lost"])
    result = {
        "flood_packets_sent": int(values["flood_sent"]),
        "queries_sent": sent,
        "queries_lost": lost,
        "lost_percent": round(100 * lost / sent, 2),
        "mean_latency_ms": round(1000 * float(values["latency_s"]), 3) if lost < sent else None,
    }
    counts = {key: int(value) for key, value in values.items() if key.startswith(("program_", "hook_"))}
    for key, value in counts.items():
        result[key] = value - before.get(key, 0)
    before.update(counts)
    return result


def read(path):
    rows, server, before = {}, {}, {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            kind, values = parse(line)
            if kind == "server":
                server = values
            elif kind == "measurement":
                row = rows.setdefault(int(values["flood_rate"]), {})
                filtered = values["kind"] != "none"
                row["with_filter" if filtered else "without_filter"] = side(values, before if filtered else {})
    return [{"flood_rate_pps": rate, **rows[rate]} for rate in sorted(rows)], server


def judge(rows):
    """The sentences that are true of a run in which all is well, each with whether it is true of this one."""
    highest = rows[-1]
    yield (f"at {highest['flood_rate_pps']} packets/s without the filter at least {MIN_LOST_WITHOUT:g} % are lost",
           highest["without_filter"]["lost_percent"] >= MIN_LOST_WITHOUT)
    for row in rows:
        side_with = row["with_filter"]
        rate = row["flood_rate_pps"]
        yield f"at {rate} packets/s with the filter at most {MAX_LOST_WITH:g} % are lost", \
            side_with["lost_percent"] <= MAX_LOST_WITH
        if rate == 0:
            continue
        yield f"at {rate} packets/s with the filter the mean latency is under {MAX_LATENCY_WITH:g} ms", \
            side_with["mean_latency_ms"] is not None and side_with["mean_latency_ms"] < MAX_LATENCY_WITH
        yield f"at {rate} packets/s the program counted what the hook dropped", \
            side_with["program_counted"] == side_with["hook_drop"]


def print_table(rows):
    latency = lambda value: "-" if value is None else f"{value:.2f} ms"
    print()
    print("                  without filter              with droppacket.o")
    print("flood packets/s   queries lost   mean         queries lost   mean         program counted   hook dropped")
    for row in rows:
        a, b = row["without_filter"], row["with_filter"]
        print(f"{row['flood_rate_pps']:>15,}   {a['lost_percent']:>10.1f} %   {latency(a['mean_latency_ms']):<10}"
              f"   {b['lost_percent']:>10.1f} %   {latency(b['mean_latency_ms']):<10}"
              f"   {b['program_counted']:>15,}   {b['hook_drop']:>12,}")
    print()


def is_short(row, side):
    """Whether the generator sent less than nine tenths of what it was asked for (7 seconds)."""
    return row[side]["flood_packets_sent"] < 0.9 * 7 * row["flood_rate_pps"]


def main():
    rows, server = read(sys.argv[1])
    print_table(rows)
    checks = [{"check": text, "passed": passed} for text, passed in judge(rows)]
    report = {
        "version": 1,
        "mode": "online",
        "server_cpu_quota_percent": int(server["cpu_quota_percent"]),
        "query_rate_qps": 500,
        "measurements": rows,
        "checks": checks,
        "passed": all(check["passed"] for check in checks),
    }
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    for check in checks:
        if not check["passed"]:
            print(f"NOT AS IT SHOULD BE: it is not so that {check['check']}")
    if any(is_short(row, side) for row in rows for side in ("without_filter", "with_filter")):
        print("NOTE: the machine is too busy: the generator did not reach its rate, latencies are not the program's")
    print(f"report: {sys.argv[2]}")
    return 0 if report["passed"] else 1


sys.exit(main())

# SPDX-License-Identifier: MIT
"""Table, JSON report and verdict of ./demo --offline.

Usage: report_offline.py CAPTURE.json REPLAY.json REPORT.json      Exit code 0 if all is as it should be, else 1.
"""

import json
import sys


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    capture, replay = load(sys.argv[1]), load(sys.argv[2])
    counted = replay["counters"]["dropped"]
    checks = [
        ("the program dropped the packets that the capture was made to have dropped",
         replay["drop"] == capture["to_drop"]),
        ("all other packets passed", replay["pass"] == capture["packets"] - capture["to_drop"]),
        ("the program counted what it dropped", counted == replay["drop"]),
    ]
    print()
    print("packets    to drop    dropped    passed     program counted    seconds")
    print(f"{capture['packets']:<10,} {capture['to_drop']:<10,} {replay['drop']:<10,} {replay['pass']:<10,} "
          f"{counted:<18,} {replay['seconds']:.2f}")
    print()
    report = {
        "version": 1,
        "mode": "offline",
        "packets": capture["packets"],
        "packets_to_drop": capture["to_drop"],
        "packets_dropped": replay["drop"],
        "packets_passed": replay["pass"],
        "program_counted": counted,
        "seconds": replay["seconds"],
        "checks": [{"check": text, "passed": passed} for text, passed in checks],
        "passed": all(passed for _, passed in checks),
    }
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    for text, passed in checks:
        if not passed:
            print(f"NOT AS IT SHOULD BE: it is not so that {text}")
    print(f"report: {sys.argv[3]}")
    return 0 if report["passed"] else 1


sys.exit(main())

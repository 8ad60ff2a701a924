"""What the reconciler's blocks cost in Meltano: the job `two-way` with nothing to do, beside plain `tap | target`.

    python -m tests.benchmarks.meltano_blocks --records 10000

Both read the same two systems, which are files and agree. The plain run has two blocks, whose target (`target-jsonl`)
writes every record; the job has four and two steps in between, and finds that nothing is to be written. Told are the
seconds by the clock and of the processor, the best of the turns, each turn one run after the other, and the ratios.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.benchmarks.made import machine, tell
from tests.meltano.project import PLUGINS, MeltanoProject
from tests.scenarios.project import SIDES, STREAM, TEXT, Project

PLAIN = """\
  - name: target-jsonl
    namespace: target_jsonl
    executable: {plugins}/target-jsonl/bin/target-jsonl
    config: {{destination_path: {folder}/plain, do_timestamp_file: false}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="antiphon-blocks-") as name:
        project = made(Path(name) / "project", given.records)
        first, _ = timed(project, "two-way")
        turns = [
            (
                timed(project, "tap-file--crm", "target-jsonl", "tap-file--warehouse", "target-jsonl"),
                timed(project, "two-way"),
            )
            for _ in range(given.turns)
        ]
    (plain, plain_cpu), (job, job_cpu) = (tuple(map(min, zip(*each, strict=True))) for each in zip(*turns, strict=True))
    tell(
        benchmark="meltano blocks",
        records=given.records,
        first_job_s=round(first, 2),
        plain_s=round(plain, 2),
        job_s=round(job, 2),
        ratio=round(job / plain, 2),
        plain_processor_s=round(plain_cpu, 2),
        job_processor_s=round(job_cpu, 2),
        processor_ratio=round(job_cpu / plain_cpu, 2),
        machine=machine(),
    )


def made(folder: Path, records: int) -> MeltanoProject:
    """Two systems that agree, the job, and a target for the plain blocks."""
    files = Project.create(folder)
    for side in SIDES:
        rows = [
            {"id": f"{side[0]}{n}", "email": f"person-{n}@example.com", "name": f"Person {n}", "city": "Rome"}
            for n in range(records)
        ]
        files.put(side, {STREAM: {"key": ["id"], "columns": dict.fromkeys(rows[0], TEXT), "rows": rows}})
    project = MeltanoProject.around(files)
    target = PLAIN.format(plugins=PLUGINS, folder=folder)
    (folder / "meltano.yml").write_text(project.text.replace("  loaders:\n", f"  loaders:\n{target}"), encoding="utf-8")
    return project


def timed(project: MeltanoProject, *blocks: str) -> tuple[float, float]:
    """Seconds by the clock and of the processor of one `meltano run`."""
    before, began = os.times(), time.perf_counter()
    run = project.meltano("run", "--full-refresh", *blocks)
    taken, after = time.perf_counter() - began, os.times()
    if run.code:
        raise SystemExit(run.err)
    if blocks == ("two-way",) and run.err.count("0 operations to") != len(SIDES):
        raise SystemExit(f"the job wrote something:\n{run.err}")
    return taken, after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()

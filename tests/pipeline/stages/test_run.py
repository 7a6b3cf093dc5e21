import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
STAGE = "from pipeline.stages.run import run_stage; run_stage(lambda params: print('done'))"


def test_a_stage_removes_what_killed_ones_left(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    left = [".checkpoints/teacher-1/.part-12345678-last.pt", "reports/.part-12345678-a.json"]
    kept = ["reports/a.json", ".checkpoints/teacher-1/last.pt"]
    for name in left + kept:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
        os.utime(path, (0, 0))
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", STAGE], cwd=tmp_path, env=env, check=True)
    assert not [name for name in left if (tmp_path / name).exists()]
    assert all((tmp_path / name).exists() for name in kept)

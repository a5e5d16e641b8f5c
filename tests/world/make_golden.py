"""Write the golden file again: `python -m tests.data.synthetic.make_golden`."""

import json
from pathlib import Path

from tests.data.synthetic.test_world import OTHERS, SHOT, SIZE, digest

from reenact.world import World

if __name__ == "__main__":
    world = World(0)
    pictures = {"-".join(map(str, shot)): digest(world.render(*shot, SIZE).image).tolist() for shot in [SHOT, *OTHERS]}
    Path(__file__).with_name("golden.json").write_text(json.dumps(pictures) + "\n")

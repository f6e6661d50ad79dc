"""Print how well recorded and synthetic prompts are recognised, with loss, noise and at a low level.

Each prompt is played on each line and compared with the whole catalogue. The first table has a row per line: prompts
recognised, and false accepts over all pairs. "Unlisted" counts pairs that would match if the catalogue lacked the
prompt that was played. The second table has a row per prompt: how often it was recognised, its lowest score, and the
prompt that comes nearest to it when another one is played.

It needs Debian's packages asterisk-core-sounds-en-wav and espeak-ng. Run it with

    .venv/bin/python -m tests.benchmarks.prompt_recognition
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_sipfront.lab.calls.conditions import find_prompt
from pytest_sipfront.lab.calls.prompt_recognition import SCORE_NEEDED, PromptMatch, rank
from tests.lab.calls.speech_prompts import LINES, received, recorded_prompts, synthetic_prompts


@dataclass(slots=True)
class Row:
    """The results of one prompt."""

    right: int = 0
    lowest: float = 1.0
    rival: str = ""
    rival_score: float = 0.0
    accepted_as: int = 0

    def add(self, wanted: str, match: PromptMatch, *, accepted: bool, is_own: bool) -> None:
        """Count the match of a wanted prompt while this one is played."""
        if is_own:
            self.right += accepted
            self.lowest = min(self.lowest, match.score)
            return
        self.accepted_as += accepted
        if match.score > self.rival_score:
            self.rival, self.rival_score = wanted, match.score


def main() -> None:
    """Print both tables."""
    prompts = {**recorded_prompts(), **synthetic_prompts()}
    rows = {name: Row() for name in prompts}
    print(f"{len(prompts)} prompts, {len(prompts) ** 2} pairs per line")
    for name, line in LINES.items():
        right = accepted = unlisted = 0
        for seed, (played, pcm) in enumerate(prompts.items()):
            ranking = rank(received(pcm, line, seed), prompts)
            for match in ranking:
                found = isinstance(find_prompt(match.prompt, ranking, 0.0), PromptMatch)
                is_own = match.prompt == played
                rows[played].add(match.prompt, match, accepted=found, is_own=is_own)
                right += found and is_own
                accepted += found and not is_own
                unlisted += match.score >= SCORE_NEEDED and not is_own
        percent = 100 * right / len(prompts)
        print(f"{name:16} right {percent:5.1f} %   false accepts {accepted}   unlisted {unlisted}", flush=True)
    print(f"\n{'played':40} {'right':>7} {'lowest':>7}   {'nearest other prompt':40} {'score':>6} {'accepted':>9}")
    for name, row in rows.items():
        print(
            f"{name:40} {f'{row.right}/{len(LINES)}':>7} {row.lowest:>7.2f}   {row.rival:40} {row.rival_score:>6.2f} "
            f"{row.accepted_as:>9}"
        )


if __name__ == "__main__":
    main()

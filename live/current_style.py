"""What is kept from one source to the next: the style in use, the styles to step through, and the loaded model."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from functools import cached_property

from livestyle.compute.devices import Colors, FallbackGrade, FallbackSegmenter, open_segmenter
from livestyle.errors import StyleError
from livestyle.models.segmenter import SMALLER_MODEL, bundled_names
from livestyle.settings import Settings
from livestyle.shaders.compile import compile_look
from livestyle.shaders.library import find_recipe, list_recipes
from livestyle.shaders.recipe import Adjust, Recipe

STEP = 0.1  # of intensity, for one key press
KEPT_GRADES = 16  # the oldest goes: a megabyte each, on numpy up to 256
FEW_CORES = 4  # up to here a live model on every core delays frames more often than it makes masks more recent

log = logging.getLogger("livestyle")


class CurrentStyle:
    """The style that applies now, and how strongly. Not thread-safe: keys and frames share the main thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.recipe: Recipe = find_recipe(settings.style)
        self.adjust = Adjust(
            intensity=settings.intensity, tone=settings.tone, color=settings.color, strengths=settings.strengths
        )
        self._segmenters: dict[tuple[str | None, int | None], FallbackSegmenter] = {}
        self._grades: dict[tuple[Recipe, float], FallbackGrade] = {}

    def segmenter(self, *, live: bool, model: str | None = None) -> FallbackSegmenter:
        """The model, loaded once. Live it gets one thread on few cores, so that the frame loop keeps the other.

        `model`: one other than the run's own. Unlike the rest this may be called from a second thread too.
        """
        threads = 1 if live and (os.cpu_count() or 1) <= FEW_CORES else None
        model = model or self._settings.model
        if (model, threads) not in self._segmenters:
            self._segmenters[model, threads] = open_segmenter(model, self._settings.device, threads=threads)
        return self._segmenters[model, threads]

    @property
    def smaller_model(self) -> str | None:
        """A bundled model that may replace the run's own where that is too slow; None if a model was named."""
        return SMALLER_MODEL if self._settings.model is None and SMALLER_MODEL in bundled_names() else None

    @cached_property
    def _colors(self) -> Colors:
        return Colors(self._settings.device)

    @cached_property
    def recipes(self) -> list[Recipe]:
        """The styles that the keys step through."""
        return list(list_recipes())

    @property
    def intensity(self) -> float:
        """0..1, the one in force."""
        return self.recipe.intensity if self.adjust.intensity is None else self.adjust.intensity

    @property
    def title(self) -> str:
        """The style and its intensity, for people."""
        return f"{self.recipe.name} {round(self.intensity * 100)}%"

    def grade(self) -> FallbackGrade:
        """The style in force, compiled; kept, so that stepping back and forth is instant."""
        key = (self.recipe, round(self.intensity, 3))  # not by name: a file may have the name of a built-in style
        if key not in self._grades:
            if len(self._grades) >= KEPT_GRADES:
                del self._grades[next(iter(self._grades))]
            self._grades[key] = self._colors.grade(compile_look(self.recipe, self.adjust))
        return self._grades[key]

    def apply_command(self, command: str) -> bool:
        """Do what a key of the window asks for: the next or previous style, more or less of it. False: nothing here."""
        if command in ("next-style", "previous-style"):
            self.step_style(1 if command == "next-style" else -1)
        elif command in ("stronger", "weaker"):
            self.step_intensity(1 if command == "stronger" else -1)
        else:
            return False
        return True

    def step_style(self, step: int) -> None:
        """Apply the next (+1) or previous (-1) style, at its own intensity. One whose LUT is broken is skipped."""
        names = [recipe.name for recipe in self.recipes]
        at = names.index(self.recipe.name) if self.recipe.name in names else -1 if step > 0 else 0
        self.adjust = replace(self.adjust, intensity=self._settings.intensity)
        for distance in range(1, len(names) + 1):
            self.recipe = self.recipes[(at + step * distance) % len(names)]
            try:
                self.grade()
                return
            except StyleError as error:
                log.warning("A style is skipped: %s", error)

    def step_intensity(self, steps: int) -> None:
        """Apply the style more (+) or less (-) strongly, by `steps` steps of STEP."""
        wanted = round(self.intensity + steps * STEP, 3)
        self.adjust = replace(self.adjust, intensity=min(1.0, max(0.0, wanted)))

"""What the catalogue keeps: models by category, and the work done with them."""

from django.db import models

from project.catalog.loading import names
from statistics_cache import StatisticsSource

LONGEST_NAME = 300
"""Characters in a name, a baseline or a style: four times the longest in the public reference files (76)."""


class Category(models.TextChoices):
    """What a model is for; the ten categories of the AI-Horde model reference."""

    IMAGE_GENERATION = "image_generation", "image generation"
    TEXT_GENERATION = "text_generation", "text generation"
    CONTROLNET = "controlnet", "ControlNet"
    ESRGAN = "esrgan", "ESRGAN"
    GFPGAN = "gfpgan", "GFPGAN"
    BLIP = "blip", "BLIP"
    CLIP = "clip", "CLIP"
    MISCELLANEOUS = "miscellaneous", "miscellaneous"
    SAFETY_CHECKER = "safety_checker", "safety checker"
    CODEFORMER = "codeformer", "CodeFormer"


class ModelRecord(StatisticsSource):
    """One model of the reference; its name is unique in its category.

    An absent text is empty, an absent number is None. `problems` says which values were dropped, and why.
    """

    category = models.CharField(max_length=40, choices=Category)
    name = models.CharField(max_length=LONGEST_NAME)
    baseline = models.CharField(max_length=LONGEST_NAME, blank=True, default="")
    style = models.CharField(max_length=LONGEST_NAME, blank=True, default="")
    nsfw = models.BooleanField(default=False)
    inpainting = models.BooleanField(default=False)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    parameters = models.PositiveBigIntegerField(null=True, blank=True)
    tags = models.JSONField(default=list, blank=True)
    triggers = models.JSONField(default=list, blank=True)
    showcases = models.JSONField(default=list, blank=True)
    requirements = models.JSONField(default=dict, blank=True)
    downloads = models.JSONField(default=list, blank=True, help_text="The URLs the model's files come from.")
    problems = models.JSONField(default=list, blank=True, help_text="Why values of the file were dropped.")

    class Meta:
        ordering = ("category", "name")
        constraints = (models.UniqueConstraint(fields=("category", "name"), name="catalog_name_once_per_category"),)

    def __str__(self) -> str:
        """A model reads as its name."""
        return self.name

    @property
    def backend(self) -> str:
        """The backend that offers a text model under a name of its own, else ''."""
        return names.backend_of(self.name) if self.category == Category.TEXT_GENERATION else ""

    @property
    def is_flagged(self) -> bool:
        """Whether some value of the file was dropped."""
        return bool(self.problems)


class UsageRecord(StatisticsSource):
    """One piece of work done with a model, and the kudos it earned (whole ones, so that sums are exact)."""

    model = models.ForeignKey(ModelRecord, on_delete=models.CASCADE, related_name="usage")
    created_at = models.DateTimeField(db_index=True)
    kudos = models.PositiveIntegerField()

    def __str__(self) -> str:
        """A piece of work reads as its model's id and its time."""
        return f"model {self.model_id}, {self.created_at:%Y-%m-%d %H:%M}"

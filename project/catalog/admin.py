"""The catalogue in the admin."""

from django.contrib import admin

from project.catalog.models import ModelRecord, UsageRecord


@admin.register(ModelRecord)
class ModelRecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    """Models by category, with those whose file had odd values marked."""

    list_display = (
        "name",
        "category",
        "backend",
        "baseline",
        "nsfw",
        "size_bytes",
        "parameters",
        "is_flagged",
    )
    list_filter = ("category", "nsfw", "inpainting", "style")
    search_fields = ("name", "baseline")


@admin.register(UsageRecord)
class UsageRecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    """Work done, the newest first; models are too many for a drop-down list, and records to be counted."""

    list_display = ("model", "created_at", "kudos")
    list_filter = ("model__category",)
    list_select_related = ("model",)
    search_fields = ("model__name",)
    raw_id_fields = ("model",)
    ordering = ("-created_at",)
    show_full_result_count = False

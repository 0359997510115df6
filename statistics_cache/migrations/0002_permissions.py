from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("statistics_cache", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="statisticentry",
            options={
                "permissions": (
                    ("refresh_statisticentry", "Can refresh statistic entry"),
                    ("clear_statisticentry", "Can invalidate and clear statistic entry"),
                ),
                "verbose_name": "statistic entry",
                "verbose_name_plural": "statistic entries",
            },
        ),
        migrations.AddIndex(
            model_name="statisticentry",
            index=models.Index(
                condition=models.Q(("failures__gt", 0)), fields=["statistic"], name="statistic_entry_failing"
            ),
        ),
    ]

import django.db.models.manager
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("statistics_cache", "0005_before"),
    ]

    operations = [
        migrations.AddField(
            model_name="statisticentry",
            name="computed_by",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="By whom: read, worker, tick or command.",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="StatisticChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("statistic", models.CharField(max_length=100)),
                ("scope", models.CharField(blank=True, max_length=200)),
                (
                    "cause",
                    models.CharField(blank=True, help_text="Empty: several, of which none is kept.", max_length=200),
                ),
                ("number", models.PositiveIntegerField(help_text="How many changes.")),
                ("changed_at", models.DateTimeField(help_text="When the last of them was logged.")),
            ],
            options={
                "verbose_name": "statistic change",
                "default_manager_name": "dumped",
                "indexes": [models.Index(fields=["statistic", "scope"], name="statistic_change_scope")],
            },
            managers=[
                ("dumped", django.db.models.manager.Manager()),
            ],
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("statistics_cache", "0004_identity"),
    ]

    operations = [
        migrations.AddField(
            model_name="statisticscope",
            name="before",
            field=models.DateTimeField(
                help_text="What was computed before this moment was cleared by its age.", null=True
            ),
        ),
    ]

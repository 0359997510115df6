# project/deploy/release.sh
set -e
pip install -r requirements.txt
python manage.py migrate
python manage.py check --deploy --database default
python manage.py hydrate_statistics --missing-only
sudo systemctl restart web worker beat
python manage.py clear_statistics --orphaned --no-input

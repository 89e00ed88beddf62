#!/bin/sh
# Run `aed` on an estate's machine with the service's settings, as the service's user.
# Installed as /usr/local/bin/aed, run as root: sudo aed tokens create ...
set -eu
if [ "$(id -u)" -ne 0 ]; then
    echo "run it as root: sudo aed $*" >&2
    exit 1
fi
set -a
# shellcheck source=/dev/null
. /etc/aed/aed.env
set +a
cd /var/lib/aed
umask 0027
exec runuser -u aed -- /opt/aed/.venv/bin/aed "$@"

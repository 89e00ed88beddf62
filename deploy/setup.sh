#!/bin/sh
# Prepare this folder: system packages, a Python with SQLite extensions, uv, and .venv as locked.
#
#   deploy/setup.sh         what `make demo` and `make serve` need
#   deploy/setup.sh test    also PostgreSQL with PostGIS, and GDAL's tools, for `make test` and `make bench`;
#                           and, where available, nginx, Caddy and shellcheck, which check the files here, Chromium,
#                           which shows the web pages, tilemaker, which makes their base map, Valkey or Redis,
#                           which can store live positions, PgBouncer, and Mosquitto, an MQTT broker
#   deploy/setup.sh cluster also what the hosts of a cluster run, for `make cluster`: etcd, Patroni, HAProxy, keepalived,
#                           pgBackRest, Valkey, and promtool of Prometheus
#   deploy/setup.sh check   install nothing; exit with status 1 if something needed to run is missing
#
# Prints nothing and takes a fraction of a second when everything is installed. Safe to interrupt, to repeat, and
# to run twice at the same time. Settings: AED_PYTHON names the interpreter to use.
#
# 1. If nothing has changed since the last complete run, and everything works, stop.
# 2. Choose an interpreter; print which were rejected, and why.
# 3. Install the missing system packages, as root or through sudo, or print the command and stop. Packages that
#    only some tests need are skipped with a message where they are not available.
# 4. Install the uv of deploy/bootstrap.lock into .state/uv.
# 5. Synchronise .venv with requirements-dev.lock. Running and testing share one environment, so switching
#    between them installs and removes nothing.
# 6. Record what was installed, last of all.

set -eu
unset CDPATH PYTHONHOME PYTHONPATH
cd -- "$(dirname -- "$0")/.."

PURPOSE=${1:-run}
LOG=.state/setup.log
STAMP=.state/setup.stamp
UNFINISHED=.state/setup.unfinished
WITHOUT=.state/setup.without
VENV_PYTHON=.venv/bin/python
UV=.state/uv/bin/uv
POSTGRES=17
FETCHED_PYTHON=3.13

case $PURPOSE in
run | test | cluster | check) ;;
*)
    echo "usage: deploy/setup.sh [test | cluster | check]" >&2
    exit 2
    ;;
esac

say() { printf 'setup: %s\n' "$*"; }

# A line that starts with a space is a command to copy, so it is printed without a prefix.
give_up() {
    for line; do
        case $line in
        " "*) printf '%s\n' "$line" ;;
        *) say "$line" ;;
        esac
    done >&2
    exit 1
}

# step TEXT COMMAND...: print one line, write the output to the log, and print the log's end if it fails.
# Descriptor 9 is the lock: a service that apt starts must not inherit it.
step() {
    say "$1"
    shift
    if ! "$@" >"$LOG" 2>&1 </dev/null 9>&-; then
        tail -n 25 "$LOG" >&2
        give_up "that failed: $*" "its last lines are above, the whole output is in $LOG; run the same command again to continue"
    fi
}

# --- 1. is everything installed? ---------------------------------------------------------------------------------------

fingerprint() {
    cat requirements.lock requirements-dev.lock pyproject.toml deploy/bootstrap.lock deploy/build.lock \
        deploy/setup.sh | sha256sum
}

# Succeed if the environment's Python starts, imports the program from this folder, and loads SpatiaLite.
environment_works() {
    [ -x "$VENV_PYTHON" ] && "$VENV_PYTHON" -I - 2>/dev/null <<'PY'
import importlib.util, os, sqlite3, sys
found = importlib.util.find_spec("aed")
if found is None or not os.path.samefile(os.path.dirname(found.origin), os.path.join("src", "aed")):
    sys.exit(1)
if not os.path.samefile(sys.prefix, ".venv"):
    sys.exit(1)
database = sqlite3.connect(":memory:")
database.enable_load_extension(True)
database.load_extension("mod_spatialite")
PY
}

postgres_is_there() {
    [ -x "/usr/lib/postgresql/$POSTGRES/bin/initdb" ] &&
        [ -e "/usr/share/postgresql/$POSTGRES/extension/postgis.control" ]
}

# GDAL reads the registry as QGIS does.
gdal_is_there() { command -v ogrinfo >/dev/null && command -v ogr2ogr >/dev/null; }

# Programs that check the files of this folder, or that an optional feature needs. Without them their tests are
# skipped, so a missing one does not stop the set-up.
INSPECTORS="nginx caddy shellcheck valkey-server chromium-headless-shell tilemaker pgbouncer mosquitto"

# What the hosts of a cluster run; a program is named as in program:package where the names differ.
CLUSTER="etcd:etcd-server etcdctl:etcd-client patroni haproxy keepalived curl pgbackrest valkey-server valkey-cli:valkey-tools
 promtool:prometheus"

# Set ABSENT to the packages of a cluster that are missing here.
list_absent() {
    ABSENT=
    for name in $CLUSTER; do
        command -v "${name%:*}" >/dev/null || [ -x "/usr/sbin/${name%:*}" ] || ABSENT="$ABSENT ${name#*:}"
    done
    # Patroni speaks to etcd through this module.
    [ -d /usr/lib/python3/dist-packages/etcd ] || ABSENT="$ABSENT python3-etcd"
    ABSENT=${ABSENT# }
}

cluster_is_there() {
    list_absent
    [ -z "$ABSENT" ]
}

# Redis can replace Valkey.
program_is_there() {
    command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] ||
        { [ "$1" = valkey-server ] && command -v redis-server >/dev/null; }
}

# Set WANTING to the programs to install, without those found unavailable before, which $WITHOUT lists.
list_wanting() {
    WANTING=
    for name in $INSPECTORS; do
        program_is_there "$name" || grep -qx "$name" "$WITHOUT" 2>/dev/null || WANTING="$WANTING $name"
    done
    WANTING=${WANTING# }
}

inspectors_are_there() {
    list_wanting
    [ -z "$WANTING" ]
}

all_is_there() {
    [ "$(cat "$STAMP" 2>/dev/null)" = "$WANTED" ] && environment_works && chinese_font_will_do &&
        { [ "$PURPOSE" != test ] || { postgres_is_there && gdal_is_there && inspectors_are_there; }; } &&
        { [ "$PURPOSE" != cluster ] || { postgres_is_there && cluster_is_there; }; } &&
        { [ -z "${AED_PYTHON:-}" ] || [ "$(interpreter "$AED_PYTHON")" = "$(interpreter "$VENV_PYTHON")" ]; }
}

# --- 2. the interpreter -------------------------------------------------------------------------------------

# Print the path of the interpreter behind a command, or why it cannot be used (with status 1).
interpreter() {
    "$1" -I - 2>/dev/null <<'PY' || { [ $? -eq 3 ] || echo "does not start"; return 1; }
import os, platform, sys
def unusable(why):
    print(why)
    sys.exit(3)
version = platform.python_version()
if sys.version_info < (3, 12):
    unusable("is Python %s; 3.12 or newer is needed" % version)
if sys.implementation.name != "cpython" or "t" in getattr(sys, "abiflags", ""):
    unusable("is not the ordinary build of Python %s" % version)
try:
    import sqlite3
except ImportError:
    unusable("is a Python %s without sqlite3" % version)
if not hasattr(sqlite3.Connection, "enable_load_extension"):
    unusable("is a Python %s whose sqlite3 can't load extensions, so no SpatiaLite" % version)
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
PY
}

# Set PYTHON to the first suitable interpreter, or to nothing.
choose_python() {
    PYTHON=
    if [ -n "${AED_PYTHON:-}" ]; then
        found=$(command -v -- "$AED_PYTHON") || give_up "AED_PYTHON names $AED_PYTHON, which does not exist"
        PYTHON=$(interpreter "$found") || give_up "AED_PYTHON names $found, which $PYTHON"
        return
    fi
    tried=:
    for name in python3.14 python3.13 python3.12 python3; do
        for candidate in "$(command -v "$name" || :)" "/usr/bin/$name"; do
            [ -x "$candidate" ] || continue
            case $tried in *":$candidate:"*) continue ;; esac
            tried=$tried$candidate:
            if PYTHON=$(interpreter "$candidate"); then
                return
            fi
            say "skipping $candidate: it $PYTHON"
            PYTHON=
        done
    done
}

# Set SEED to an interpreter of any version that can create a virtual environment with pip, or to nothing.
choose_seed() {
    for SEED in "$PYTHON" "$(command -v python3 || :)" /usr/bin/python3; do
        if [ -n "$SEED" ] && "$SEED" -I -c 'import ensurepip, venv' 2>/dev/null; then
            return
        fi
    done
    SEED=
}

# --- 3. system packages -------------------------------------------------------------------------------------

may_be_root() { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8 \
        apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -q -y "$@"
}

# This fails when one package source is unreachable; the others may still have what is needed.
apt_update() { apt_get update || echo "apt-get update failed; going on with the lists that are there"; }

LISTS_ARE_FRESH=

refresh_lists() {
    [ -n "$LISTS_ARE_FRESH" ] || step "refreshing the package lists" apt_update
    LISTS_ARE_FRESH=yes
}

on_offer() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'; }

python_on_offer() {
    version=$(LC_ALL=C apt-cache policy python3 2>/dev/null | sed -n 's/^  Candidate: 3\.\([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 12 ]
}

spatialite_is_there() {
    if [ -n "$PYTHON" ]; then
        "$PYTHON" -I - 2>/dev/null <<'PY'
import sqlite3
database = sqlite3.connect(":memory:")
database.enable_load_extension(True)
database.load_extension("mod_spatialite")
PY
    else
        ls /usr/lib/*/mod_spatialite.so >/dev/null 2>&1
    fi
}

# The font of certificates and attendance sheets. Everything else works without it.
chinese_font_will_do() {
    ls /usr/share/fonts/*/noto/NotoSansCJK-Regular.ttc >/dev/null 2>&1 && return
    fc-list "Noto Sans CJK SC" 2>/dev/null | grep -q . && return
    [ "$PURPOSE" != test ] && { ! command -v apt-get >/dev/null || ! may_be_root; }
}

# Set MISSING to the packages to install.
list_missing() {
    MISSING=
    if [ -z "$PYTHON" ] && python_on_offer; then
        MISSING="python3 python3-venv"
    else
        choose_seed
        if [ -z "$SEED" ]; then
            case $PYTHON in
            /usr/bin/python3.*) MISSING=${PYTHON#/usr/bin/}-venv ;;
            *) MISSING="python3 python3-venv" ;;
            esac
        fi
    fi
    spatialite_is_there || MISSING="$MISSING libsqlite3-mod-spatialite"
    chinese_font_will_do || MISSING="$MISSING fonts-noto-cjk"
    if [ "$PURPOSE" != run ] && ! postgres_is_there; then
        MISSING="$MISSING postgresql-$POSTGRES postgresql-$POSTGRES-postgis-3"
    fi
    if [ "$PURPOSE" = test ] && ! gdal_is_there; then
        MISSING="$MISSING gdal-bin"
    fi
    MISSING=${MISSING# }
}

# PostgreSQL's packages create and start a cluster called main, which is not wanted here. The file that prevents it
# exists only during our own installation; existing clusters are never touched.
NO_CLUSTER=/etc/postgresql-common/createcluster.d/aed-setup.conf

forbid_cluster() {
    as_root mkdir -p "${NO_CLUSTER%/*}" && echo 'create_main_cluster = false' | as_root tee "$NO_CLUSTER" >/dev/null
}

allow_cluster() { as_root rm -f "$NO_CLUSTER"; }

# The PostgreSQL project packages every version for every release; Debian ships the script that adds its source.
PGDG=/usr/share/postgresql-common/pgdg
PGDG_SOURCE=/etc/apt/sources.list.d/pgdg

run_pgdg_script() {
    for script in "$PGDG"/*.sh; do as_root "$script" -y || return; done
}

add_pgdg() {
    had=$(ls "$PGDG_SOURCE".* 2>/dev/null || :)
    step "this distribution has no PostgreSQL $POSTGRES; installing what adds the PostgreSQL project's own packages" \
        apt_get install --no-install-recommends postgresql-common ca-certificates
    step "adding them with the script in $PGDG" run_pgdg_script
    if ! on_offer "postgresql-$POSTGRES"; then
        if [ -z "$had" ]; then as_root rm -f "$PGDG_SOURCE.sources" "$PGDG_SOURCE.list"; fi
        give_up "PostgreSQL $POSTGRES is not available: neither from this distribution nor from the PostgreSQL project's" \
            "packages could not be reached; see $LOG. make demo and make serve need no PostgreSQL."
    fi
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        give_up "these packages are missing, and this is not Debian or Ubuntu: $MISSING" \
            "install what your distribution calls them, then run the same command again"
    fi
    if ! may_be_root; then
        case $MISSING in
        *postgresql*)
            on_offer "postgresql-$POSTGRES" || say "this distribution may have no PostgreSQL $POSTGRES: if so, install" \
                "postgresql-common and run the script in $PGDG first, which adds the PostgreSQL project's own packages"
            ;;
        esac
        give_up "system packages are missing, and this user is neither root nor has sudo without a password; run" \
            "    sudo apt-get update && sudo apt-get install --no-install-recommends $MISSING" \
            "and then the same command again"
    fi
    refresh_lists
    list_missing # what is on offer is known only now
    case $MISSING in
    *postgresql*)
        trap allow_cluster EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        forbid_cluster
        on_offer "postgresql-$POSTGRES" || add_pgdg
        ;;
    esac
    # Word splitting is intended: a list of package names.
    # shellcheck disable=SC2086
    step "installing $MISSING" apt_get install --no-install-recommends $MISSING
    case $MISSING in
    *postgresql*)
        allow_cluster
        trap - EXIT HUP INT TERM
        ;;
    esac
}

# The packages of nginx, Caddy and Valkey start a server now and at every boot, which is not wanted here. Unless a
# policy exists, one that starts nothing is in place during our own installation.
POLICY=/usr/sbin/policy-rc.d

forbid_services() {
    [ ! -e "$POLICY" ] || return 0
    POLICY_IS_OURS=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null && as_root chmod 755 "$POLICY"
}

allow_services() {
    if [ -n "${POLICY_IS_OURS:-}" ]; then as_root rm -f "$POLICY"; fi
    POLICY_IS_OURS=
}

# A program that was installed before belongs to the machine's owner: its service is left alone.
keep_from_starting() {
    command -v systemctl >/dev/null || return 0
    for name; do
        case $name in
        nginx | caddy | valkey-server | redis-server | mosquitto | etcd-server | patroni | haproxy | keepalived | prometheus)
            unit=${name%-server}
            case $name in valkey-server | redis-server) unit=$name ;; esac
            if [ -d /run/systemd/system ]; then as_root systemctl stop "$unit" || :; fi
            as_root systemctl disable "$unit" || :
            ;;
        esac
    done
}

do_without() {
    say "$1: $2. The tests that need it are skipped"
    echo "$2" >>"$WITHOUT"
}

install_wanting() {
    if ! command -v apt-get >/dev/null || ! may_be_root; then
        for name in $WANTING; do do_without "not installed, which takes apt and root" "$name"; done
        return
    fi
    refresh_lists
    found=
    for name in $WANTING; do
        if [ "$name" = valkey-server ] && ! on_offer "$name" && on_offer redis-server; then name=redis-server; fi
        if on_offer "$name"; then found="$found $name"; else do_without "not on offer here" "$name"; fi
    done
    [ -n "$found" ] || return 0
    install_without_services "$found" ||
        say "that failed (see $LOG) and will be tried again next time; the tests that need them are skipped"
}

install_cluster() {
    if ! command -v apt-get >/dev/null || ! may_be_root; then
        give_up "a cluster needs these packages: $ABSENT" "install them, then run the same command again"
    fi
    refresh_lists
    install_without_services "$ABSENT" || give_up "that failed: the whole output is in $LOG"
}

# Install the packages of a list; fail, after the last lines of the log, if apt does.
install_without_services() {
    found=$1
    say "installing $found"
    trap allow_services EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    forbid_services
    # Word splitting is intended: a list of package names.
    # shellcheck disable=SC2086
    if apt_get install --no-install-recommends $found >"$LOG" 2>&1 </dev/null 9>&-; then installed=0; else installed=1; fi
    [ $installed -eq 0 ] || tail -n 5 "$LOG" >&2
    # shellcheck disable=SC2086
    keep_from_starting $found >>"$LOG" 2>&1 </dev/null 9>&-
    allow_services
    trap - EXIT HUP INT TERM
    return $installed
}

# --- 4. and 5. uv and the environment -----------------------------------------------------------------------

# Use the user's cache folder, or .state where there is no home to write to.
choose_folders() {
    if [ -z "${UV_CACHE_DIR:-}" ]; then
        cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
        if [ -z "$cache" ] || ! mkdir -p "$cache/uv" 2>/dev/null || [ ! -w "$cache/uv" ]; then
            export UV_CACHE_DIR="$PWD/.state/cache/uv" PIP_CACHE_DIR="$PWD/.state/cache/pip"
        fi
    fi
    export HOME="${HOME:-$PWD/.state}"
    export UV_PYTHON_INSTALL_DIR="${UV_PYTHON_INSTALL_DIR:-$PWD/.state/python}"
    export UV_PYTHON_DOWNLOADS=manual UV_NO_PROGRESS=1 UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
    export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1
    # A mirror configured for pip is used for uv as well.
    if [ -n "${PIP_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"; fi
    if [ -n "${PIP_CERT:-}" ]; then export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"; fi
    unset VIRTUAL_ENV CONDA_PREFIX UV_PYTHON UV_SYSTEM_PYTHON UV_PROJECT_ENVIRONMENT
}

install_uv() {
    version=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' deploy/bootstrap.lock)
    case $("$UV" --version 2>/dev/null || :) in
    "uv $version" | "uv $version "*) return ;;
    esac
    rm -rf .state/uv
    step "installing uv $version into .state/uv" bootstrap_uv
}

bootstrap_uv() {
    "$SEED" -m venv .state/uv &&
        .state/uv/bin/python -m pip install --only-binary=:all: --require-hashes -r deploy/bootstrap.lock
}

fetch_python() {
    say "no Python 3.12 or newer with SQLite extensions found; downloading $FETCHED_PYTHON through uv"
    if ! "$UV" python install --no-bin "$FETCHED_PYTHON" >"$LOG" 2>&1 </dev/null 9>&-; then
        tail -n 5 "$LOG" >&2
        give_up "it could not be downloaded. Install Python 3.12 or newer whose sqlite3 can load extensions, and name it:" \
            "    AED_PYTHON=/path/to/python3 make demo"
    fi
    found=$("$UV" python find --managed-python "$FETCHED_PYTHON") || give_up "uv downloaded a Python and cannot find it"
    PYTHON=$(interpreter "$found") || give_up "the Python that uv downloaded, $found, $PYTHON"
}

# Recreate an environment that belongs to another interpreter, is incomplete, or was moved.
make_environment() {
    if [ ! -e "$UNFINISHED" ] && environment_fits; then
        return
    fi
    : >"$UNFINISHED"
    step "making .venv with $PYTHON" "$UV" venv --clear --no-project --python "$PYTHON" .venv
}

environment_fits() {
    [ -x "$VENV_PYTHON" ] || return 1
    [ "$(interpreter "$VENV_PYTHON")" = "$PYTHON" ] || return 1
    if [ -e "$STAMP" ]; then environment_works; fi
}

# --------------------------------------------------------------------------------------------------------------

WANTED=$(fingerprint)
if all_is_there; then
    exit 0
fi
if [ "$PURPOSE" = check ]; then
    exit 1
fi

mkdir -p .state
exec 9>.state/setup.lock
if command -v flock >/dev/null && ! flock -n 9; then
    say "waiting for another set-up of this folder to finish"
    flock 9
    if all_is_there; then
        exit 0
    fi
fi

choose_folders
choose_python
list_missing
if [ -n "$MISSING" ]; then
    install_packages
    if [ -z "$PYTHON" ]; then
        choose_python >/dev/null
    fi
    choose_seed
fi
if [ "$PURPOSE" != run ] && ! postgres_is_there; then
    give_up "PostgreSQL $POSTGRES with PostGIS is still not in /usr/lib/postgresql/$POSTGRES; see $LOG"
fi
if [ "$PURPOSE" = test ] && ! gdal_is_there; then
    give_up "gdal-bin is installed, but ogrinfo and ogr2ogr cannot be found; see $LOG"
fi
if [ "$PURPOSE" = test ] && ! inspectors_are_there; then
    install_wanting
fi
if [ "$PURPOSE" = cluster ] && ! cluster_is_there; then
    install_cluster
fi
if all_is_there; then
    exit 0 # only system packages were missing
fi

install_uv
if [ -z "$PYTHON" ]; then
    fetch_python
fi
say "using $PYTHON"
make_environment
: >"$UNFINISHED"
rm -f "$STAMP"
step "installing the locked packages into .venv" \
    "$UV" pip sync --python "$VENV_PYTHON" --require-hashes requirements-dev.lock
step "installing aed itself" \
    "$UV" pip install --python "$VENV_PYTHON" --no-deps --build-constraints deploy/build.lock --editable .
environment_works || give_up "everything is installed, but $VENV_PYTHON cannot load aed and mod_spatialite; run make clean and try again"
printf '%s\n' "$WANTED" >"$STAMP"
rm -f "$UNFINISHED"
say "ready"

#!/bin/sh
# Builds a release: wheel, source distribution, SBOM (CycloneDX) of the locked packages, and checksums.
#
#   deploy/release.sh [FOLDER]     into FOLDER, or dist/; it is emptied first
#
# The same commit gives the same bytes: times in the files are that of the commit, the tools are locked
# (build.lock, release.lock). `make release` calls this; it needs what deploy/setup.sh installs.

set -eu
cd -- "$(dirname -- "$0")/.."

UV=.state/uv/bin/uv
TOOLS=$(mktemp -d)
trap 'rm -rf "$TOOLS"' EXIT
DIST=${1:-dist}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never

version=$(.venv/bin/aed --version)
version=${version#aed }

rm -rf "$DIST"
"$UV" build --quiet --sdist --wheel --out-dir "$DIST" --build-constraints deploy/build.lock --require-hashes .
rm -f "$DIST/.gitignore"

"$UV" venv --quiet --no-project --python .venv/bin/python "$TOOLS/venv"
"$UV" pip sync --quiet --require-hashes --python "$TOOLS/venv/bin/python" deploy/release.lock
# The generator knows no version that the build reads from the source.
sed "s/^dynamic = .*/version = \"$version\"/" pyproject.toml >"$TOOLS/pyproject.toml"
"$TOOLS/venv/bin/python" -W ignore -m cyclonedx_py requirements --pyproject "$TOOLS/pyproject.toml" \
    --output-reproducible --of JSON -o "$DIST/aed-$version.cdx.json" requirements.lock

cd "$DIST"
sha256sum -- aed-* >SHA256SUMS
cat SHA256SUMS

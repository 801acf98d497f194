#!/bin/bash
# The bundle in dist/ is what these sources and package-lock.json give, byte for byte; and the lock names no registry.
# Needs node and installed packages (npm ci); exit status 77 without them.
set -eu
cd "$(dirname "$0")"
if grep -nE '"resolved"|https?://(registry|npm)' package-lock.json; then
    echo "failed: package-lock.json names where packages came from"
    exit 1
fi
if ! command -v node >/dev/null || { [ ! -d node_modules ] && ! npm ci --offline --ignore-scripts >/dev/null 2>&1; }; then
    echo "skipped: no node, or no packages here (npm ci in web/ gets them)"
    exit 77
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
node build.mjs "$out"
diff -rq "$out" dist || { echo "failed: dist/ is not what the sources give: npm run build"; exit 1; }

#!/usr/bin/env bash
# The browser test of report.html: run.sh FIXTURE_PAGES_PROGRAM BUILD_FOLDER. Exit code 77: skipped, with the reason.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 build=$2
modules=$("$here/../../scripts/setup" --print browser)
FQLAB_BROWSER=${FQLAB_BROWSER:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
skip() { echo "skipped: $*; scripts/setup --browser installs it"; exit 77; }
[ -n "$FQLAB_BROWSER" ] || skip "absent: a browser (chromium)"
command -v node >/dev/null || skip "absent: node"
[ -d "$modules/node_modules/playwright-core" ] || skip "absent: $modules"
export FQLAB_BROWSER FQLAB_BROWSER_MODULES=$modules
rm -rf "$build/pages"
node "$here/chinese_test.mjs"
"$program" "$build/pages"
node "$here/check_report.mjs" "$build/pages" "$build/screenshots"

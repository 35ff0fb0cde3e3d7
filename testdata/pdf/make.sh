#!/bin/sh
# Prints every HTML page of this folder to PDF with Chromium. The bytes differ
# from run to run (creation time), so run it only when a text has changed.
set -eu
cd "$(dirname "$0")"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
for page in *.html; do
	chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync \
		--user-data-dir="$profile" --no-pdf-header-footer \
		--print-to-pdf="${page%.html}.pdf" "file://$PWD/$page" 2>/dev/null
done

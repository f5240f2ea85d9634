# A page with a wrong command, and one whose command exits otherwise than it says: each is a failure.
. "$E2E/packages.sh"
machines 1
printf '```sh\ntrue\nno-such-command\ntrue\n```\n```sh exits=10\nexit 9\n```\n' > "$OUT/page.md"
follow m1 "$OUT/page.md"
[ $failed = 2 ] || { passed=1; failed=0; }

# Fetches the agent, checks it, and only then gives it its name. fetch.py puts the values above, and leaves out comments,
# indentation and what stands between `# [NAME` and `# NAME]` where there is no value NAME: user data is short. For dash, busybox sh and bash. `set -e` is off in functions that are asked for their verdict: each line of theirs
# that may fail says what happens then.

RUN=/run PYTHON=/usr/bin/python3 CONSOLE=/dev/console ENVIRONMENT=/etc/environment MOUNTS=/proc/mounts
# Seconds for all, for one request, without a byte, before all is tried again; blocks of 512 bytes (bash: 1024) for the
# agent, for a signature.
BUDGET=300 ATTEMPT=120 STALL=30 PAUSE=1 LARGEST=65536 SIGNATURE=64

set -efu
umask 077
export LC_ALL=C

have() { command -v "$1" >/dev/null 2>&1; }

# Not the clock: a first boot sets it at some time.
seconds() { read -r up _ </proc/uptime && echo "${up%%.*}"; }

# Scheme and host of a URL; a URL without what may be secret in it. Not by echo: dash's reads escapes in what it is given.
origin() { part=${1#*://} && part=${part%%[/?#]*} && printf '%s\n' "${1%%://*}://${part##*@}"; }
shown() { part=${1%%[?#]*} && part=${part#*://} && case $part in */*) printf '%s\n' "$(origin "$1")/${part#*/}" ;; *) origin "$1" ;; esac; }

plain() { tr -s '\n\r\t' ' ' | tr -cd ' -~' | cut -c "1-$1"; }
quoted() { sed 's/[\\"]/\\&/g'; }

# The last line of what a program said, without queries and passwords of URLs. A proxy that it cannot read is left out: the
# password may be anywhere.
said() { grep . "$work/said" | tail -n 1 | sed "s/?[^ ]*//g; s|//[^ /]*@|//|g; s/proxy \(URL\|syntax in\|scheme for\) [^ ]*/proxy \1 .../" | plain 200; }

# CODE MESSAGE: the end, told wherever somebody may look.
fail() {
  exit=5
  case $1 in MA190[678]) exit=4 ;; esac
  message=$(printf %s "$2" | plain 4000)
  line="machineadm-fetch: $1 $message"
  printf '%s\n' "$line" >&2
  (printf '%s\n' "$line" >"$CONSOLE") 2>/dev/null || :
  if have logger; then logger -t machineadm -p daemon.err -- "$line" 2>/dev/null || :; fi
  now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  (umask 022 && mkdir -p "$RUN/cluster-api") || :
  for report in "$RUN/machineadm/status.json" "$RUN/cluster-api/bootstrap-failure.json"; do
    mkdir -p "${report%/*}" && printf '{"apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1", "kind": "BootstrapStatus", "phase": "Failed", "agent": {"version": "%s"}, "finishedAt": "%s", "error": {"code": "%s", "message": "%s", "exitCode": %s}}\n' \
      "$VERSION" "$now" "$1" "$(printf %s "$message" | quoted)" "$exit" >"$report.new" &&
      mv -f "$report.new" "$report" || :
  done
  exit "$exit"
}

# CODE AGAIN MESSAGE: why a location did not give the agent; AGAIN is `again` where another try may help.
refuse() {
  code=$1 again=$2 why=$3
  return 1
}

# Ends what is waited for, and holds what is written to $1 blocks. In a subshell of its own that becomes the program: were
# it the program's parent, a signal to all would end it first, and the program would write once more after the cleaning up.
bounded() {
  trap '' XFSZ
  ulimit -f "$1"
  shift
  if have timeout; then exec timeout "$left" "$@"; else exec "$@"; fi
}

# Waits for the program in the background and sets rc: a shell heeds a signal while it waits, not while a program runs before
# it. Before the program `busy` is set: a signal that comes before its number is known must not leave it behind.
waited() {
  child=$!
  [ -z "$stop" ] || kill "$child" 2>/dev/null || :
  wait "$child" || rc=$?
  if [ "$stop" ]; then
    # The signal ended the first wait. What the program writes must not come after the cleaning up.
    wait "$child" 2>/dev/null || :
    exit 143
  fi
  child='' busy=''
  # One that came since nobody has heeded.
  [ -z "$stop" ] || exit 143
}

# URL FILE BLOCKS: one request, no redirect followed; sets status and next. URL and headers may be secret: they are no
# arguments of a program.
once() {
  left=$((END - $(seconds))) rc=0 next='' status=''
  [ "$left" -gt 0 ] || left=1
  [ "$left" -lt "$ATTEMPT" ] || left=$ATTEMPT
  # [HEADERS
  headers=''
  case $1 in https://*) [ "$(origin "$1")" != "$home" ] || headers=$HEADERS ;; esac
  # HEADERS]
  : >"$2" || refuse MA1911 never "cannot write to $2" || return 1
  case $tool in
  curl)
    busy=1
    {
      printf '%s\n' silent show-error globoff 'connect-timeout = 15' "max-time = $left" 'speed-limit = 100' \
        "speed-time = $STALL" 'write-out = "%{http_code} %{redirect_url}"'
      printf '%s\n' "$1" | quoted | sed 's/.*/url = "&"/'
      printf '%s\n' "$2" | quoted | sed 's/.*/output = "&"/'
      # [HEADERS
      [ -z "$headers" ] || printf '%s\n' "$headers" | quoted | sed 's/.*/header = "&"/'
      # HEADERS]
      # [CA_BUNDLE
      echo "cacert = $work/ca"
      # CA_BUNDLE]
    } | (bounded "$3" curl -q --config -) >"$work/answer" 2>"$work/said" &
    waited
    read -r status next <"$work/answer" || :
    ;;
  wget)
    {
      printf '%s\n' 'tries = 1' "timeout = $STALL" 'max_redirect = 0' 'server_response = on' 'hsts = off' 'netrc = off' &&
        # [HEADERS
        { [ -z "$headers" ] || printf '%s\n' "$headers" | sed 's/^/header = /'; } &&
        # HEADERS]
        # [CA_BUNDLE
        echo "ca_certificate = $work/ca" &&
        # CA_BUNDLE]
        :
    } >"$work/wgetrc" && printf '%s\n' "$1" >"$work/url" || refuse MA1911 never "cannot write to $work" || return 1
    busy=1
    (bounded "$3" wget --config="$work/wgetrc" -O "$2" -i "$work/url") 2>"$work/said" &
    waited
    rm -f "$work/wgetrc" "$work/url"
    next=$(sed -n 's/^  *[Ll]ocation: *\([^ ]*\).*/\1/p' "$work/said" | tail -n 1 | tr -d '\r')
    case $next in
    '' | *://*) ;;
    //*) next=${1%%:*}:$next ;;
    /*) next=$(origin "$1")$next ;;
    *) next=$(origin "$1")/$next ;;
    esac
    ;;
  # With -T that of busybox 1.35 crashes when an answer is an error.
  busybox)
    busy=1
    (bounded "$3" wget -q -O "$2" "$1") 2>"$work/said" &
    waited
    ;;
  esac
  [ "$tool" = curl ] || status=$(sed -nE 's/^( *|wget: .*)HTTP\/[0-9.]* *([0-9]{3}).*/\2/p' "$work/said" | tail -n 1)
  # What follows speaks of a body that did not come whole; an answer that is an error is for the caller.
  case $rc:$status in 0:* | [168]:[345]??) return ;; esac
  [ "$(wc -c <"$2")" -lt $((512 * $3)) ] || refuse MA1905 never "gives more than $((512 * $3)) bytes" || return 1
  case $rc:$tool in 23:curl | 3:wget) refuse MA1911 never "cannot write to $2: $(said)" || return 1 ;; esac
  refuse MA1902 again "$tool exits $rc: $(said)"
}

# URL FILE BLOCKS: redirects, five of them, never from https to http.
get() {
  at=$1 home=$(origin "$1") hops=0
  while once "$at" "$2" "$3"; do
    case $status in
    200) return ;;
    301 | 302 | 303 | 307 | 308) ;;
    408 | 429 | 5??) refuse MA1903 again "answers HTTP $status" || return 1 ;;
    '')
      [ "$tool" = busybox ] || refuse MA1902 again 'does not answer in HTTP' || return 1
      return 0
      ;;
    *) refuse MA1903 never "answers HTTP $status" || return 1 ;;
    esac
    # Programs do not agree on the host of a URL with a user, a backslash, a blank, an escape or the like before its path.
    case $next in *[!!-~]* | *\\*) part='' ;; *) part=${next#*://} part=${part%%/*} ;; esac
    case $part in *@*) part='' ;; esac
    case ${part%%[?#]*} in '' | *[!][A-Za-z0-9._:-]*) part='' ;; esac
    case $next in https://*) ;; http://*) case $at in https:*) part='' ;; esac ;; *) part='' ;; esac
    hops=$((hops + 1))
    [ "$hops" -le 5 ] && [ -n "$part" ] || refuse MA1904 never "redirects to $(shown "$next"), which is not followed" || return 1
    at=$next
  done
  return 1
}

# [SHA256
digest() {
  if have sha256sum; then
    sha256sum <"$1" | cut -d ' ' -f 1
  else
    openssl dgst -sha256 <"$1" | sed 's/.* //'
  fi
}
# SHA256]

# [KEYS
# FILE SIGNATURE: whether one of the keys made it.
signed() {
  for key in $KEYS; do
    printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$key" >"$work/key"
    ! openssl dgst -sha256 -verify "$work/key" -signature "$2" "$1" >/dev/null 2>&1 || return 0
  done
  return 1
}
# KEYS]

# FILE URL: every check that can be made, at least one, before the file can be run; then it is asked for its version,
# since an older release is well signed, too. URL is empty for a file that was there already.
check() {
  checks=0
  # [SHA256
  found=$(digest "$1")
  [ "$found" = "$SHA256" ] || refuse MA1906 never "has SHA-256 ${found:-unknown}, not $SHA256" || return 1
  checks=1
  # SHA256]
  # [KEYS
  if [ -n "$2" ] && have openssl; then
    case $2 in *\?*) signature=${2%%\?*}.sig"?"${2#*\?} ;; *) signature=$2.sig ;; esac
    get "$signature" "$work/sig" "$SIGNATURE" || refuse "$code" "$again" "its signature: $why" || return 1
    signed "$1" "$work/sig" || refuse MA1907 never 'is signed by none of the keys' || return 1
    checks=1
  fi
  # KEYS]
  [ "$checks" = 1 ] || refuse MA1909 never 'cannot be checked here' || return 1
  found=$("$PYTHON" -I -S "$1" version --output json 2>"$work/said" </dev/null | tr -d ' \n') || :
  case $found in
  *'"version":"'"${VERSION#v}"'"'*) ;;
  *'"version":"'*) refuse MA1908 never "is another version than $VERSION: $(printf %s "$found" | plain 100)" ;;
  *) refuse MA1913 never "does not run here: $(said)" ;;
  esac
}

# URL: 0 with the agent in $file.
locate() {
  case $1:$tool in https:*:busybox) refuse MA1910 never 'needs curl or GNU wget: this wget may check no certificate' || return 1 ;; esac
  get "$1" "$file" "$LARGEST" && check "$file" "$1"
}

# The name is given when the bytes are on the disk, the mode at the very end: whenever this is killed, nothing new can be run.
finish() {
  sync "$file" 2>/dev/null || sync
  { mv -f "$file" "$DESTINATION" && chmod 0755 "$DESTINATION"; } 2>"$work/said" || fail MA1911 "cannot write $DESTINATION: $(said)"
  sync "$DESTINATION" "$directory" 2>/dev/null || sync
  exit 0
}

# Proxies as curl and wget know them; else as the machine has them for everybody.
for name in http_proxy https_proxy no_proxy; do
  upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
  eval "value=\${$name:-\${$upper:-}}"
  [ -n "$value" ] || [ ! -r "$ENVIRONMENT" ] || value=$(sed -nE "s/^(export +)?($name|$upper)=[\"']?([^\"']*).*/\3/p" "$ENVIRONMENT" | tail -n 1)
  # Without a scheme curl takes http; wget would take the user for a host of ftp.
  case $name:$value in no_proxy:* | *:*://* | *:) ;; *) value=http://$value ;; esac
  [ -z "$value" ] || export "$name=$value"
done

END=$(($(seconds) + BUDGET)) file='' work='' child='' busy='' stop=''
trap 'rm -rf "$work" "$file"' EXIT
trap '[ "$busy" ] || exit 143; stop=1; [ -z "$child" ] || kill "$child" 2>/dev/null || :' HUP INT TERM

mkdir -p "$RUN/machineadm" || fail MA1911 "cannot write to $RUN/machineadm"
work=$(mktemp -d "$RUN/machineadm/fetch.XXXXXX") || fail MA1911 "cannot write to $RUN/machineadm"

case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
*) fail MA1914 "there is no agent for $(uname -m)" ;;
esac
# [SUMS
case $arch in amd64) SHA256=${AMD64-} ;; *) SHA256=${ARM64-} ;; esac
[ "$SHA256" ] || fail MA1914 "there is no agent for $arch: no sha256"
# SUMS]

if have curl; then
  tool=curl
elif have wget; then
  case $(wget --version 2>&1) in *'GNU Wget 1.'*) tool=wget ;; *) tool=busybox ;; esac
else
  fail MA1910 'needs curl or GNU wget'
fi
have openssl ||
  # [SHA256
  have sha256sum ||
  # SHA256]
  fail MA1909 'needs openssl'
[ -x "$PYTHON" ] || fail MA1913 "needs $PYTHON"

# [CA_BUNDLE
for known in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
  if [ -r "$known" ]; then cat "$known" && break; fi
done >"$work/ca"
printf '\n%s\n' "$CA_BUNDLE" >>"$work/ca" || fail MA1911 "cannot write to $work"
# CA_BUNDLE]

# Link by link and directory by directory: whoever may write to one of them could put another program in the agent's
# place, or lead root elsewhere, while this runs. Of a sticky directory (mode 1777) what is there belongs to its owner alone.
# Missing ones are made. Prints where it ends, without links.
unwritable() { fail MA1911 "cannot write to ${DESTINATION%/*}/: $(said)"; }
directory=$("$PYTHON" -I -S -c '
import os, sys
path = os.path
os.umask(18)
def see(at, sticky):
	s = os.lstat(at)
	m = s.st_mode
	if s.st_uid not in (0, os.geteuid()) or m >> 12 < 10 and m & (s.st_gid and 18 or 2) and not m & sticky: sys.exit("others may write to " + at)
	return m >> 12 > 9
def go(way):
	at = "/"
	for n in way.split("/"):
		at = path.normpath(path.join(at, n))
		path.lexists(at) or os.mkdir(at, 493)
		if see(at, 512): at = go(path.join(path.dirname(at), os.readlink(at)))
	return at
at = go(sys.argv[1])
see(at, 0)
print(at)
' "${DESTINATION%/*}" 2>"$work/said") || case $(said) in others*) fail MA1915 "$(said)" ;; *) unwritable ;; esac
DESTINATION=${directory%/}/${DESTINATION##*/}
[ ! -d "$DESTINATION" ] || fail MA1911 "$DESTINATION is a directory"
file=$(mktemp "${directory%/}/.machineadm.XXXXXX" 2>"$work/said") || unwritable
longest='' how=''
while read -r _ mount _ options _; do
  case $directory/ in "${mount%/}"/*) [ "${#mount}" -lt "${#longest}" ] || { longest=$mount how=$options; } ;; esac
done <"$MOUNTS"
case ,$how, in *,noexec,*) fail MA1912 "$directory is mounted noexec" ;; esac

# What is there already is copied, so that what is checked is what gets the name.
# [SHA256
if [ -f "$DESTINATION" ] && cat "$DESTINATION" >"$file" && check "$file" ''; then finish; fi
# SHA256]

todo=$URLS ended='' pause=$PAUSE
while [ -n "$todo" ]; do
  rest='' passing=''
  for url in $todo; do
    url=$(printf '%s\n' "$url" | sed "s/{arch}/$arch/g")
    locate "$url" && finish
    line="$code $(shown "$url") $(printf %s "$why" | plain 400)"
    printf 'machineadm-fetch: %s\n' "$line" >&2
    case $again in
    again) rest="$rest $url" passing="$passing; $line" ;;
    *) ended="$ended; $line" ;;
    esac
    [ "${first:=$code}" = "$code" ] || first=MA1901
  done
  todo=$rest
  [ $(($(seconds) + pause)) -lt "$END" ] || break
  if [ -n "$todo" ]; then
    busy=1
    sleep "$pause" &
    waited
  fi
  [ "$pause" -ge 16 ] || pause=$((2 * pause))
done
lines=$ended$passing
fail "$first" "no location gave the agent: ${lines#; }"

#!/bin/sh
# verify.sh: is what lies beside this file the release that its makers signed?
#
#   sh verify.sh KEY.pem                  with a public key that you have from elsewhere; needs openssl
#   sh verify.sh --digest HEX             with the SHA-256 of SHA256SUMS, from elsewhere; sha256sum suffices
#   sh verify.sh --digest HEX KEY.pem     both
#
# Exit 0: all files are there, none too many, and each is what was signed. Anything else: trust none of them.
# The last line names the version: an old release was signed, too, so compare it with the one you want.
# The program itself vouches for nothing: take it, too, from where you have the key, or verify the archive first.
set -u
LC_ALL=C
export LC_ALL
# What another shell may have exported to hide names: bash takes it from the environment.
unset CDPATH GLOBIGNORE
set +f

fail() {
  # The name of a stray file may hold anything, such as what a terminal obeys.
  case $1 in *[!\ -~]*) set -- 'there is a file whose name no file of a release has' ;; esac
  printf 'verify.sh: %s\n' "$1" >&2
  exit 1
}

usage() {
  printf 'usage: sh verify.sh [--digest HEX] [KEY.pem]\n  (at least one of them)\n' >&2
  exit 2
}

have() {
  command -v "$1" >/dev/null 2>&1
}

# digest FILE: its SHA-256, 64 lowercase hexadecimal digits
digest() {
  if have sha256sum; then
    sum=$(sha256sum <"$1") || return 1
    sum=${sum%% *}
  else
    sum=$(openssl dgst -sha256 <"$1") || return 1
    sum=${sum##* }
  fi
  case $sum in *[!0-9a-f]*) return 1 ;; esac
  [ ${#sum} -eq 64 ] && printf '%s\n' "$sum"
}

# signed FILE: one of the keys signed it (FILE.sig, raw DER). A key is given to openssl by a descriptor.
signed() {
  [ -f "$1.sig" ] && [ ! -L "$1.sig" ] || fail "$1.sig is missing"
  rest=$keys
  while [ -n "$rest" ]; do
    key=${rest%%"$end"*}$end
    rest=${rest#*"$end"}
    rest=${rest#"$newline"}
    openssl dgst -sha256 -verify /dev/fd/3 -signature "$1.sig" "$1" >/dev/null 2>&1 3<<KEY && return 0
$key
KEY
  done
  fail "$1: the signature is not by this key over these bytes"
}

wanted='' file=''
while [ $# -gt 0 ]; do
  case $1 in
    --digest) [ $# -gt 1 ] || usage; wanted=$2; shift 2 ;;
    -*) usage ;;
    *) [ -z "$file" ] || usage; file=$1; shift ;;
  esac
done
[ -n "$wanted$file" ] || usage
have sha256sum || have openssl || fail 'needs sha256sum or openssl'

newline='
'
begin='-----BEGIN PUBLIC KEY-----' end='-----END PUBLIC KEY-----' keys=''
if [ -n "$file" ]; then
  have openssl || fail 'openssl is needed for a key; with --digest HEX sha256sum suffices'
  [ -r "$file" ] || fail "$file cannot be read"
  inside=''
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%"$(printf '\r')"}
    [ "$line" = "$begin" ] && inside=yes
    [ -n "$inside" ] && keys=$keys$line$newline
    [ "$line" = "$end" ] && inside=''
  done <"$file"
  [ -n "$keys" ] && [ -z "$inside" ] || fail "$file holds no public key in PEM"
  rest=$keys
  while [ -n "$rest" ]; do
    key=${rest%%"$end"*}$end
    rest=${rest#*"$end"}
    rest=${rest#"$newline"}
    print=$(printf '%s\n' "$key" | openssl pkey -pubin -outform DER 2>/dev/null | openssl dgst -sha256)
    printf '%s\n' "$key" | openssl pkey -pubin -noout 2>/dev/null || fail "$file: a key cannot be read"
    printf 'key sha256:%s\n' "${print##* }"
  done
fi

case $0 in */*) cd "${0%/*}" || fail 'the directory of this file cannot be entered' ;; esac

for name in SHA256SUMS SHA256SUMS.sig release.json release.json.sig machineadm.pub; do
  [ -f "$name" ] && [ ! -L "$name" ] || fail "$name is missing"
done

# 1. The list: by its digest, by its signature, or by both.
if [ -n "$wanted" ]; then
  sum=$(digest SHA256SUMS) || fail 'SHA256SUMS: no digest can be made'
  [ "$sum" = "$wanted" ] || fail "SHA256SUMS: SHA-256 is $sum, expected $wanted"
fi
if [ -n "$keys" ]; then
  signed SHA256SUMS
  signed release.json
fi

# 2. What it names: there, with that digest, and signed.
listed=' ' count=0
while read -r sum name || [ -n "$sum" ]; do
  case $name in */* | .* | -* | '') fail "SHA256SUMS names '$name'" ;; esac
  case $name in *[!A-Za-z0-9._+-]*) fail "SHA256SUMS names '$name'" ;; esac
  case $listed in *" $name "*) fail "SHA256SUMS names $name twice" ;; esac
  [ -f "$name" ] && [ ! -L "$name" ] || fail "$name is missing"
  found=$(digest "$name") || fail "$name: no digest can be made"
  [ "$found" = "$sum" ] || fail "$name: SHA-256 is $found, expected $sum"
  if [ -n "$keys" ]; then signed "$name"; fi
  printf '%s: OK\n' "$name"
  listed="$listed$name "
  count=$((count + 1))
done <SHA256SUMS
case $listed in *' release.json '*) ;; *) fail 'SHA256SUMS does not name release.json' ;; esac

# 3. Nothing else. A name is expected as a whole, or as one listed name with one ending; a list is searched for words, so
# a name that could be two of them is none.
expected() {
  case $1 in *[!A-Za-z0-9._+-]*) return 1 ;; esac
  case $1 in SHA256SUMS | SHA256SUMS.sig | machineadm.pub | verify.sh) return 0 ;; esac
  case $listed in *" $1 "* | *" ${1%.sig} "* | *" ${1%.sigstore.json} "*) return 0 ;; esac
  return 1
}
# `*` of what cannot be listed is nothing, and of what cannot be entered nothing is there.
listable() {
  [ -r "$1" ] && [ -x "$1" ] || fail "$1 cannot be listed"
}
listable .
seen=0
for name in * .[!.]* ..?*; do
  [ -e "$name" ] || [ -L "$name" ] || continue
  seen=$((seen + 1))
  [ "$name" != wheels ] || continue
  [ ! -L "$name" ] || fail "$name is a link"
  expected "$name" || fail "$name is not part of the release"
  [ -f "$name" ] || fail "$name is not a file"
done
[ "$seen" -gt "$count" ] || fail 'the directory was not listed'

# 4. Wheels, if there are any: nobody signs them. Who uses them holds them to the lock of the release's commit.
if [ -e wheels ] || [ -L wheels ]; then
  [ -d wheels ] && [ ! -L wheels ] || fail 'wheels is not a directory'
  listable wheels
  for name in wheels/* wheels/.[!.]* wheels/..?*; do
    [ -e "$name" ] || [ -L "$name" ] || continue
    case ${name#wheels/} in [!A-Za-z0-9]* | *[!A-Za-z0-9._+-]*) fail "$name is not a wheel" ;; *.whl) ;; *) fail "$name is not a wheel" ;; esac
    [ -f "$name" ] && [ ! -L "$name" ] || fail "$name is not a file"
  done
  printf 'wheels: not signed; verify-release holds them to the lock\n'
fi

if [ -z "$keys" ]; then
  printf 'no key was given: the digests are right, signatures were not looked at\n'
fi
version=''
while IFS= read -r line; do
  case $line in '  "version": "v'*) version=${line#*: \"} version=${version%%\"*} ;; esac
done <release.json
printf 'OK: release %s, %s files\n' "$version" "$count"

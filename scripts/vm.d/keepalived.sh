# shellcheck shell=bash disable=SC2154 # ./scripts/vm sets `run`
# Fetches another Debian release's keepalived, with the shared libraries that it needs, and makes it a program of the
# guest's: keepalived-SUITE. Sourced by ./scripts/vm.
#
# The program loader of that release starts it, told where its libraries are; all else in the guest stays as it is, what
# keepalived starts included. A chroot would do as well, but scripts and configurations would have to be in there, too.
#
# The cache, for each suite:
#   keepalived/SUITE/VERSION_HASH/debs/    the packages as downloaded; the hash is of what they are
#   keepalived/SUITE/VERSION_HASH/         keepalived.cpio, and made-by: a hash of this file
#   keepalived/SUITE/current               the VERSION_HASH in use
#   keepalived/SUITE/checked               its time is when the mirror was last asked for a newer one

KEEPALIVED_DIR=
LOADER=ld-linux-x86-64.so.2

# Sets KEEPALIVED_DIR, a folder with keepalived.cpio in it.
keepalived_prepare() {
  local suite=$1 home=$CACHE/keepalived/$1 current=
  mkdir -p "$home"
  [[ ! -e $home/current ]] || current=$(<"$home/current")
  if [[ -z $current || ! -d $home/$current/debs ]] || older_than "$home/checked" "$MAX_AGE_HOURS"; then
    if keepalived_fetch "$suite" "$home"; then
      touch "$home/checked"
      current=$(<"$home/current")
    elif [[ $current && -e $home/$current/keepalived.cpio ]]; then
      say "no newer keepalived could be looked for; going on with the cached $current"
      touch -d "$((MAX_AGE_HOURS - 1)) hours ago" "$home/checked" # look again in an hour
    else
      die "$STATUS_PREPARE" "no keepalived of $suite could be fetched; is a mirror within reach? (SOCKVS_MIRROR sets it)"
    fi
  fi
  KEEPALIVED_DIR=$home/$current
  local made_by
  made_by=$(sha256sum <"$VM_D/keepalived.sh")
  [[ -e $KEEPALIVED_DIR/made-by && $(<"$KEEPALIVED_DIR/made-by") == "$made_by" ]] || keepalived_unpack "$suite" "$made_by"
}

# Downloads it and its libraries where they are not here yet, and notes them in `current`.
keepalived_fetch() {
  local suite=$1 home=$2 packages version scratch uris
  type -P apt-get >/dev/null || { say "fetching a keepalived needs apt-get, which this machine does not have"; return 1; }
  apt_lists "$suite" || return 1
  mapfile -t packages < <(with_libraries "$suite" keepalived)
  uris=$(own_apt apt-get "$suite" download --print-uris "${packages[@]}" | sort) || return 1
  version=$(own_apt apt-cache "$suite" show --no-all-versions keepalived | sed -n 's/^Version: //p')
  [[ $version ]] || { say "the suite $suite has no keepalived"; return 1; }
  version=${version//[^A-Za-z0-9.+~-]/_}_$(sha256sum <<<"$uris" | cut -c -12)
  if [[ ! -d $home/$version/debs ]]; then
    say "downloading keepalived ${version%_*} and its libraries"
    scratch=$(mktemp -d "$run/XXXXXX")
    mkdir "$scratch/debs"
    if ! (cd "$scratch/debs" && own_apt apt-get "$suite" download "${packages[@]}") >&2; then
      rm -rf "$scratch"
      return 1
    fi
    find "$home" -mindepth 1 -maxdepth 1 -type d -exec rm -rf {} +
    mv "$scratch" "$home/$version" || return 1
  fi
  printf '%s\n' "$version" >"$home/current"
}

# with_libraries SUITE PACKAGE: the names of a package and of the packages of libraries that it depends on, directly or
# by way of others.
with_libraries() {
  local suite=$1 known=$'\n' next=("$2") more name
  while ((${#next[@]})); do
    printf '%s\n' "${next[@]}"
    known+=$(printf '%s\n' "${next[@]}")$'\n'
    mapfile -t more < <(own_apt apt-cache "$suite" depends --important "${next[@]}" \
      | sed -nE 's/^ *\|?(Pre)?Depends: (z?lib.*)$/\2/p' | sort -u)
    next=()
    for name in "${more[@]}"; do
      [[ $known == *$'\n'"$name"$'\n'* ]] || next+=("$name")
    done
  done
}

# Makes keepalived.cpio out of the downloaded packages.
keepalived_unpack() {
  local suite=$1 made_by=$2 deb all place library
  say "unpacking keepalived $(basename "$KEEPALIVED_DIR")"
  all=$run/keepalived-all place=/opt/keepalived-$suite
  local tree=$run/keepalived
  mkdir -p "$tree/etc/keepalived" "$tree/usr/local/bin" "$tree$place"
  for deb in "$KEEPALIVED_DIR"/debs/*.deb; do
    dpkg -x "$deb" "$all"
  done
  # The release's own loader says which libraries it takes. It must not take this machine's.
  local search=$all/usr/lib/x86_64-linux-gnu:$all/lib/x86_64-linux-gnu loader needed
  loader=$(find "$all" -name "$LOADER" | head -n 1)
  needed=$("$loader" --inhibit-cache --library-path "$search" --list "$all/usr/sbin/keepalived" \
    | awk '$2 == "=>" { print $3 == "not" ? $1 : $3 }')
  for library in $needed; do
    [[ $library == "$all"/* ]] || { say "no package of $suite holds $library, which its keepalived needs"; return 1; }
    cp -L "$library" "$tree$place/"
  done
  cp -L "$loader" "$tree$place/$LOADER"
  cp "$all/usr/sbin/keepalived" "$tree$place/"
  # Since 2.3 it reads there what it was built with. Debian 12's has that in it, and does not look.
  cp "$all/etc/keepalived/keepalived.config-opts" "$tree/etc/keepalived/"
  cat >"$tree/usr/local/bin/keepalived-$suite" <<END
#!/bin/sh
exec $place/$LOADER --inhibit-cache --library-path $place --argv0 keepalived $place/keepalived "\$@"
END
  chmod 755 "$tree/usr/local/bin/keepalived-$suite"
  pack "$tree" "$KEEPALIVED_DIR/keepalived.cpio"
  printf '%s\n' "$made_by" >"$KEEPALIVED_DIR/made-by"
  rm -rf "$all" "$tree"
}

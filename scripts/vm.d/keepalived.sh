# shellcheck shell=bash disable=SC2154 # ./scripts/vm sets `run`
# Fetches another Debian release's keepalived, with the shared libraries that it needs, and makes it a program of the
# guest's: keepalived-SUITE. Sourced by ./scripts/vm.
#
# The program loader of that release starts it, told where its libraries are; all else in the guest stays as it is, what
# keepalived starts included. A chroot would do as well, but scripts and configurations would have to be in there, too.
#
# The cache is keepalived/SUITE (see apt.sh), with keepalived.cpio for each version. Part of the version is a hash of which
# packages they are, as libraries change, too.

KEEPALIVED_DIR=
LOADER=ld-linux-x86-64.so.2

# Sets KEEPALIVED_DIR, a folder with keepalived.cpio in it.
keepalived_prepare() {
  local suite=$1 home=$CACHE/keepalived/$1
  up_to_date "$home" "keepalived of $suite" keepalived_fetch "$suite" "$home"
  KEEPALIVED_DIR=$home/$(<"$home/current")
  is_made_by "$KEEPALIVED_DIR" "$VM_D/keepalived.sh" || keepalived_unpack "$suite" "$home"
}

# Finds it and its libraries and downloads them.
keepalived_fetch() {
  local suite=$1 home=$2 packages version uris
  apt_lists "$suite" || return 1
  version=$(own_apt apt-cache "$suite" show --no-all-versions keepalived | sed -n 's/^Version: //p') || return 1
  [[ $version ]] || { say "the suite $suite has no keepalived"; return 1; }
  mapfile -t packages < <(with_libraries "$suite" keepalived)
  uris=$(own_apt apt-get "$suite" download --print-uris "${packages[@]}" | sort) || return 1
  version=keepalived_${version//[^A-Za-z0-9.+~-]/_}_$(sha256sum <<<"$uris" | cut -c -12)
  download "$suite" "$home" "$version" "${packages[@]}"
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

# Makes KEEPALIVED_DIR out of the downloaded packages.
keepalived_unpack() {
  local suite=$1 home=$2 place=/opt/keepalived-$1 scratch all tree search loader needed library deb
  say "unpacking $(basename "$KEEPALIVED_DIR")"
  scratch=$(mktemp -d "$run/XXXXXX")
  all=$scratch/all tree=$scratch/image
  mkdir -p "$scratch/new" "$tree/etc/keepalived" "$tree/usr/local/bin" "$tree$place"
  for deb in "$home/debs/$(basename "$KEEPALIVED_DIR")"/*.deb; do
    dpkg -x "$deb" "$all"
  done
  # The release's own loader says which libraries it takes. It must not take this machine's.
  search=$all/usr/lib/x86_64-linux-gnu:$all/lib/x86_64-linux-gnu
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
  pack "$tree" "$scratch/new/keepalived.cpio"
  made_by "$scratch/new" "$VM_D/keepalived.sh"
  find "$home" -mindepth 1 -maxdepth 1 -type d ! -name debs -exec rm -rf {} +
  mv "$scratch/new" "$KEEPALIVED_DIR"
  rm -rf "$scratch"
}

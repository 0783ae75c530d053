# shellcheck shell=bash disable=SC2154 # ./scripts/vm sets `run`
# Fetches Debian's cloud kernels. Sourced by ./scripts/vm.
#
# The cache is kernels/SERIES (see apt.sh), with vmlinuz and modules.cpio for each version.

KERNEL_DIR=
KERNEL_VERSION=

# Modules that go into the image besides all of kernel/net: paths below kernel/, without .ko. What they depend on
# comes along.
KERNEL_MODULES='drivers/(virtio/.*|char/virtio_console|net/(dummy|veth|nlmon|ifb|tun|macvlan|ipvlan|vrf|vxlan|bareudp))'

# Sets KERNEL_DIR (vmlinuz, modules.cpio) and KERNEL_VERSION for the series 6.1, 6.12 or latest.
kernel_prepare() {
  local series=$1 home=$CACHE/kernels/$1
  up_to_date "$home" "kernel for --kernel $series" kernel_fetch "$series" "$home"
  KERNEL_VERSION=$(<"$home/current")
  KERNEL_DIR=$home/$KERNEL_VERSION
  is_made_by "$KERNEL_DIR" "$VM_D/kernel.sh" || kernel_unpack "$home"
}

# Finds the newest kernel of a series and downloads it.
kernel_fetch() {
  local series=$1 home=$2 suite image names package version fetch=() part revision cloud=cloud-amd64
  case $series in
    6.1) suite=bookworm image="linux-image-6\.1\.[^ ]*-$cloud-unsigned" ;;
    6.12) suite=trixie image="linux-image-6\.12\.[^ ]*-$cloud-unsigned" ;;
    # Here the image may be one package or be split in three: linux-binary, linux-modules and linux-base.
    latest) suite=sid image="linux-(image-[0-9][^ ]*-$cloud-unsigned|binary-unsigned-[0-9][^ ]*-$cloud)" ;;
  esac
  apt_lists "$suite" || return 1
  names=$(own_apt apt-cache "$suite" pkgnames linux- | grep -E '^linux-(image|binary|modules|base)-[0-9u]') || true
  # Sort by the version in the name, not by the words before it.
  package=$(grep -xE "$image" <<<"$names" | sed -E 's/^([^0-9]*)(.*)$/\2 \1\2/' | sort -V | tail -n 1 | cut -d ' ' -f 2)
  [[ $package ]] || { say "the suite $suite has no kernel package that looks like $image"; return 1; }
  fetch=("$package")
  version=${package#"${package%%[0-9]*}"}
  version=${version%-unsigned}
  for part in modules base; do
    if grep -qxF "linux-$part-$version" <<<"$names"; then
      fetch+=("linux-$part-$version")
    fi
  done
  revision=$(own_apt apt-cache "$suite" show --no-all-versions "$package" | sed -n 's/^Version: //p') || return 1
  version+=_${revision//[^A-Za-z0-9.+~-]/_}
  download "$suite" "$home" "$version" "${fetch[@]}"
}

# Makes KERNEL_DIR out of the downloaded packages.
kernel_unpack() {
  local home=$1 scratch tree release deb
  say "unpacking Linux $KERNEL_VERSION"
  scratch=$(mktemp -d "$run/XXXXXX")
  for deb in "$home/debs/$KERNEL_VERSION"/*.deb; do
    dpkg -x "$deb" "$scratch/all"
  done
  tree=$scratch/all/lib/modules
  [[ -d $tree ]] || tree=$scratch/all/usr/lib/modules
  release=$(ls "$tree")
  mkdir -p "$scratch/new" "$scratch/base/lib/modules"
  mv "$tree/$release" "$scratch/base/lib/modules/"
  modules_select "$scratch/base" "$scratch/image" "$release"
  mv "$(find "$scratch" -name 'vmlinuz*' -type f | head -n 1)" "$scratch/new/vmlinuz"
  pack "$scratch/image" "$scratch/new/modules.cpio"
  made_by "$scratch/new" "$VM_D/kernel.sh"
  find "$home" -mindepth 1 -maxdepth 1 -type d ! -name debs -exec rm -rf {} +
  mv "$scratch/new" "$KERNEL_DIR"
  rm -rf "$scratch"
}

# modules_select FROM TO RELEASE: copies the wanted modules with all that they depend on, uncompressed (the host does
# that faster than the VM), and writes TO's modules.dep.
modules_select() {
  local from=$1 to=$2 release=$3 source target
  source=$from/lib/modules/$release
  target=$to/usr/lib/modules/$release
  mkdir -p "$target"
  find "$source" -name '*.ko.xz' -exec xz -d {} +
  find "$source" -name '*.ko.zst' -exec zstd -q --rm -d {} +
  depmod -b "$from" "$release"
  cp "$source"/modules.{builtin,builtin.modinfo,order} "$target/"
  sed 's/://' "$source/modules.dep" \
    | awk -v want="^kernel/(net/.*|$KERNEL_MODULES)[.]ko$" '$1 ~ want { for (i = 1; i <= NF; i++) print $i }' \
    | sort -u | (cd "$source" && cpio --quiet -pdm "$target")
  # depmod looks in lib/modules; in the image that is a link to usr/lib/modules.
  ln -s usr/lib "$to/lib"
  depmod -b "$to" "$release"
  rm "$to/lib"
}

#!/usr/bin/env bash
# prepare.sh FOLDER: makes what `go run ./internal/tools/avx512` starts machines with: Bochs, built from the commit below, and Debian's
# kernel and loader. It needs git, g++, make, apt-get and xorriso (Debian packages of these names), and installs nothing.
#
# BOCHS_SOURCE names another git repository that has the commit, KERNEL another version of Debian's package: a mirror keeps the
# newest only, all are at snapshot.debian.org.
set -euo pipefail

commit=783b58fd6d9bae598a07c59719122322fa0edce6 # 3.0 and what came until August 2026
bochs=${BOCHS_SOURCE:-https://github.com/bochs-emu/Bochs}
kernel=${KERNEL:-linux-image-6.1.0-56-cloud-amd64=6.1.192-2}

[ $# = 1 ] || { sed -n '2,6s/^# \?//p' "$0" >&2; exit 2; }
for command in git g++ make apt-get dpkg-deb xorriso; do
  command -v "$command" >/dev/null || { echo "prepare.sh: $command is missing; apt-get install git g++ make xorriso" >&2; exit 1; }
done
mkdir -p "$1"
to=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/debian"
cd "$work/debian"
apt-get download "$kernel" isolinux syslinux-common
for package in *.deb; do dpkg-deb -x "$package" files; done
cp files/boot/vmlinuz-* "$to/vmlinuz"
cp files/usr/lib/ISOLINUX/isolinux.bin files/usr/lib/syslinux/modules/bios/ldlinux.c32 "$to/"

git init -q "$work/bochs"
cd "$work/bochs"
git fetch -q --depth 1 "$bochs" "$commit"
git checkout -q FETCH_HEAD -- bochs ':!bochs/bios/OVMF'
cd bochs
# VCVTNE2PS2BF16 takes the upper half of its words from the first operand's numbers, from the first on (Intel SDM volume 2); the emulator
# reads behind that operand.
beyond='op1.vmm32u(n));' first='op1.vmm32u(n - DWORD_ELEMENTS(len)));'
[ "$(grep -cF "$beyond" cpu/avx/avx512_bf16.cc)" = 1 ] || { echo "prepare.sh: avx512_bf16.cc is not the one that is to be mended" >&2; exit 1; }
sed -i "s/$beyond/$first/" cpu/avx/avx512_bf16.cc
./configure --with-nogui --enable-x86-64 --enable-cpu-level=6 --enable-avx --enable-evex --enable-amx --enable-protection-keys --enable-cet --enable-uintr \
  --enable-vmx=2 --enable-all-optimizations --disable-docbook --disable-plugins --disable-logging \
  CFLAGS='-O3 -march=native' CXXFLAGS='-O3 -march=native' >"$work/configured"
make -s -j"$(nproc)" bochs >"$work/made" 2>&1 || { tail -20 "$work/made" >&2; exit 1; }
cp bochs bios/BIOS-bochs-latest bios/VGABIOS-lgpl/VGABIOS-lgpl-latest.bin "$to/"
echo "Bochs $commit with VCVTNE2PS2BF16 mended, ${kernel/=/ }" >"$to/version"
echo "$to is ready"
